"""Check suspects from Python: a file, and a function of your own. Run 01_fingerprint.py first."""

import auditkit
from auditkit import Access
from auditkit.core.requests import Options

bundle = auditkit.read("digits.fp")
suspects = ["digits.pt", "python:vendor:ask"]

with open("vendor.py", "w") as file:  # noqa: PTH123 - a stand-in for somebody's API client
    file.write("def ask(x):\n    return x.reshape(len(x), -1)[:, :10]\n")

asking = auditkit.Asking(access=Access.LABEL, options=Options(device="cpu"))
outcomes = auditkit.audit(bundle, suspects, asking)
for name, outcome in zip(suspects, outcomes, strict=True):
    if isinstance(outcome, auditkit.Refusal):
        print(name, "refused:", outcome.reason)
    else:
        print(name, outcome.decision, "-", outcome.reason)
