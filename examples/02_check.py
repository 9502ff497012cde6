"""Check suspects from Python: a file, and a function of your own. Run 01_fingerprint.py first."""

from pathlib import Path

import auditkit

bundle = auditkit.read("digits.fp")
suspects = ["digits.pt", "python:vendor:ask"]

# A stand-in for somebody's API client.
Path("vendor.py").write_text("def ask(x):\n    return x.reshape(len(x), -1)[:, :10]\n")

# Opening a TorchScript file can run its author's code, so that has to be allowed.
options = auditkit.Options(device="cpu")
asking = auditkit.Asking(access=auditkit.Access.LABEL, options=options)
for examination in auditkit.audit(bundle, suspects, asking):
    outcome = examination.outcome
    if isinstance(outcome, auditkit.Refusal):
        print(examination.suspect, "refused:", outcome.reason)
    else:
        print(examination.suspect, outcome.decision, "-", outcome.reason.code)
