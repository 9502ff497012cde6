"""auditkit finds out whether a neural-network classifier was copied.

    import auditkit

    bundle = auditkit.read("model.fp")
    for examination in auditkit.audit(bundle, ["suspect.onnx", "other.onnx"]):
        print(examination.suspect, examination.outcome)

Names are loaded on first use, so that importing the package costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from auditkit.api import (
        audit,
        examine,
        fingerprint,
        judge,
        queries,
        query,
        read_evidence,
        references,
        twins,
        write_evidence,
    )
    from auditkit.core.access import Access
    from auditkit.core.errors import AuditkitError
    from auditkit.core.evidence import Evidence
    from auditkit.core.requests import (
        Asking,
        InputFacts,
        Options,
        Order,
        Patience,
        Reach,
        ReferencePlan,
        TwinPlan,
    )
    from auditkit.core.verdicts import Decision, Examination, Reason, Refusal, Verdict
    from auditkit.files.bundle import Bundle, read, write

_HOMES = {
    "api": (
        "audit",
        "examine",
        "fingerprint",
        "judge",
        "queries",
        "query",
        "read_evidence",
        "references",
        "twins",
        "write_evidence",
    ),
    "core.access": ("Access",),
    "core.errors": ("AuditkitError",),
    "core.evidence": ("Evidence",),
    "core.requests": (
        "Asking",
        "InputFacts",
        "Options",
        "Order",
        "Patience",
        "Reach",
        "ReferencePlan",
        "TwinPlan",
    ),
    "core.verdicts": ("Decision", "Examination", "Reason", "Refusal", "Verdict"),
    "files.bundle": ("Bundle", "read", "write"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604 - the names are those of the table above
    *sorted(_HOME)
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'auditkit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"auditkit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
