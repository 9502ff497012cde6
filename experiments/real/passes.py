"""A fingerprint of EfficientNet-Lite0 beside its bare passes: `python -m experiments.real.passes`.

Both are run once; the packages are those of `experiments.real`.
"""

import time

import numpy as np
import torch

from auditkit.core.requests import InputFacts
from auditkit.fingerprints.base import Request
from auditkit.owner.classifier import place, sample_labels
from auditkit.owner.opening import LoadedModel
from auditkit.owner.room import keep_freed_memory
from auditkit.owner.samples import RawSamples
from auditkit.owner.standins import train_standins
from experiments.real import images
from experiments.real.trial import SAMPLES
from experiments.speed import bare_passes

POINTS = 100


def main() -> None:
    """Print the ratio."""
    keep_freed_memory()  # as the command does
    net = images.owner().requires_grad_(False)
    raw = RawSamples(images.samples(SAMPLES, 0), None)
    facts = InputFacts(mean=images.MEAN, std=images.STD)
    model = LoadedModel("owner", "sha256:0", net)
    owner, samples = place(model, facts, raw, torch.device("cpu"))
    assert samples is not None
    inputs = owner.inputs(owner.tensor(np.asarray(samples.x)))
    labels = sample_labels(owner, samples)
    strangers = tuple(train_standins(inputs, labels, owner.record.classes, 0))
    request = Request(owner, samples, strangers, POINTS, 0, lambda *_: None)
    begun = time.monotonic()
    bare = bare_passes(request)
    ours, begun = time.monotonic() - begun, time.monotonic()
    bare()
    other = time.monotonic() - begun
    print(f"fingerprint {ours:.0f} s, its bare passes {other:.0f} s: {ours / other:.2f} times")


if __name__ == "__main__":
    main()
