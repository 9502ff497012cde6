"""The whole job on one page. Run 01_fingerprint.py first, which leaves `digits.pt` and its samples.

No suspect ends the audit: one that can't be asked comes out as a refusal with its reason.
"""

from pathlib import Path

import auditkit

order = auditkit.Order("digits.pt", samples=Path("digits.npz"))
auditkit.write(auditkit.fingerprint(order), Path("digits.fp"))

bundle = auditkit.read("digits.fp")
asking = auditkit.Asking(options=auditkit.Options())
for examination in auditkit.audit(bundle, ["digits.pt", "missing.onnx"], asking):
    match examination.outcome:
        case auditkit.Verdict(decision=decision, reason=reason):
            print(examination.suspect, decision, "-", reason.code)
        case auditkit.Refusal(reason=why):
            print(examination.suspect, "refused -", why)
