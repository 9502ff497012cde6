"""auditkit finds out whether a neural-network classifier was copied.

    import auditkit

    bundle = auditkit.read("model.fp")
    [outcome] = auditkit.audit(bundle, ["suspect.onnx"])
    print(outcome.decision, outcome.reason)

Names are loaded on first use, so that importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditkit.asking import Asking
    from auditkit.bundle import Bundle, read, write
    from auditkit.errors import AuditkitError
    from auditkit.outcomes import Refusal, Verdict
    from auditkit.pipeline import (
        audit,
        calibrate,
        fingerprint,
        judge,
        queries,
        query,
        references,
    )
    from auditkit.types import Access, Decision, Evidence

_HOMES = {
    "Access": "types",
    "Asking": "asking",
    "AuditkitError": "errors",
    "Bundle": "bundle",
    "Decision": "types",
    "Evidence": "types",
    "Refusal": "outcomes",
    "Verdict": "outcomes",
    "audit": "pipeline",
    "calibrate": "pipeline",
    "fingerprint": "pipeline",
    "judge": "pipeline",
    "queries": "pipeline",
    "query": "pipeline",
    "read": "bundle",
    "references": "pipeline",
    "write": "bundle",
}

__all__ = [
    "Access",
    "Asking",
    "AuditkitError",
    "Bundle",
    "Decision",
    "Evidence",
    "Refusal",
    "Verdict",
    "audit",
    "calibrate",
    "fingerprint",
    "judge",
    "queries",
    "query",
    "read",
    "references",
    "write",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'auditkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"auditkit.{_HOMES[name]}"), name)
