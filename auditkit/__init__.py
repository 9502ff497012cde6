"""auditkit finds out whether a neural-network classifier was copied.

    import auditkit

    bundle = auditkit.fingerprint(net, samples=(x, y))    # the owner: a torch.nn.Module or a file
    bundle.save("model.fp")

    found = auditkit.check("model.fp", "suspect.onnx")    # the auditor: a file, address or object
    print(found.decision, found.reason)

`help(auditkit.fingerprint)` and `help(auditkit.check)` list their options. `audit`, `query`,
`judge` and the types beside them are the same in single steps. Names are loaded on first use, so
that importing the package costs nothing.
"""

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Each name twice, which is how type checkers are told that it is public.
    from auditkit.api import (
        audit as audit,
        examine as examine,
        judge as judge,
        queries as queries,
        query as query,
        read_evidence as read_evidence,
        references as references,
        write_evidence as write_evidence,
    )
    from auditkit.api.auditor import (
        check as check,
        load as load,
    )
    from auditkit.api.owner import (
        fingerprint as fingerprint,
        twins as twins,
    )
    from auditkit.api.results import (
        Result as Result,
    )
    from auditkit.core.access import (
        Access as Access,
    )
    from auditkit.core.errors import (
        AuditkitError as AuditkitError,
    )
    from auditkit.core.evidence import (
        Evidence as Evidence,
    )
    from auditkit.core.requests import (
        Asking as Asking,
        InputFacts as InputFacts,
        Options as Options,
        Order as Order,
        Patience as Patience,
        Reach as Reach,
        ReferencePlan as ReferencePlan,
        TwinPlan as TwinPlan,
    )
    from auditkit.core.verdicts import (
        Decision as Decision,
        Examination as Examination,
        Reason as Reason,
        Refusal as Refusal,
        Verdict as Verdict,
    )
    from auditkit.files.bundle import (
        Bundle as Bundle,
        read as read,
        write as write,
    )

    __version__: str

_HOMES = {
    "api": (
        "audit",
        "examine",
        "judge",
        "queries",
        "query",
        "read_evidence",
        "references",
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
    "api.auditor": ("check", "load"),
    "api.owner": ("fingerprint", "twins"),
    "api.results": ("Result",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604 - the names are those of the table above
    *sorted([*_HOME, "__version__"]),
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("model-auditkit")
    if name not in _HOME:
        raise AttributeError(f"module 'auditkit' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"auditkit.{_HOME[name]}"), name)
    # Kept, so that notebooks and `help` find it without asking again.
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)
