"""Train reference models and judge by them, from Python. Run 01_fingerprint.py first.

Writes the folder `refs` and `calibrated.fp`; 99 independent models and 20 copies of so small a net
take some minutes. Run again, it goes on where it was.
"""

from pathlib import Path

import auditkit
from auditkit.core.requests import Order, ReferencePlan
from auditkit.files.model_folder import reference_files

order = Order("digits.pt", samples=Path("digits.npz"))
print(auditkit.references(order, Path("refs"), ReferencePlan()))
bundle = auditkit.calibrate(auditkit.read("digits.fp"), *reference_files(Path("refs"), [], []))
auditkit.write(bundle, Path("calibrated.fp"))

[verdict] = auditkit.audit(bundle, ["digits.pt"], auditkit.Asking(sequential=True))
print(verdict.decision, "after", verdict.queries, "queries -", verdict.reason)
