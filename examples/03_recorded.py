"""Audit a vendor who can't be reached: send queries, get answers back, judge them here.

Run 01_fingerprint.py first.
"""

from pathlib import Path

import numpy as np
import torch

import auditkit

bundle = auditkit.read("digits.fp")
count = auditkit.queries(bundle, Path("queries.npz"))
print(f"send queries.npz to the vendor: {count} inputs")

with np.load("queries.npz") as asked:  # what the vendor does, in any language
    model = torch.jit.load("digits.pt")
    labels = model(torch.from_numpy(asked["inputs"])).argmax(1).numpy()
    np.savez("answers.npz", labels=labels, queries=asked["queries"])

evidence = auditkit.query(bundle, "answers.npz")
verdict = auditkit.judge(bundle, evidence)
print(verdict.decision, "-", verdict.reason.code)
