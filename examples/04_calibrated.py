"""Train reference models and judge by them, from Python. Run 01_fingerprint.py first.

Writes the folder `refs` and `calibrated.fp`; 99 independent models and 20 copies of so small a net
take some minutes. Run again, it goes on where it was.
"""

from pathlib import Path

import auditkit

order = auditkit.Order("digits.pt", samples=Path("digits.npz"))
print(auditkit.references(order, Path("refs"), auditkit.ReferencePlan()))
homologous, pirated = auditkit.reference_files(Path("refs"), [], [])
bundle = auditkit.calibrate(auditkit.read("digits.fp"), homologous, pirated)
auditkit.write(bundle, Path("calibrated.fp"))

# Opening a TorchScript file can run its author's code, so that has to be allowed.
options = auditkit.Options()
evidence = auditkit.query(bundle, "digits.pt", auditkit.Asking(options=options, sequential=True))
verdict = auditkit.judge(bundle, evidence)
print(verdict.decision, "after", verdict.queries, "queries -", verdict.reason.code)
