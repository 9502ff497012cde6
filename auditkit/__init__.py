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
    )
    from auditkit.api import (
        examine as examine,
    )
    from auditkit.api import (
        judge as judge,
    )
    from auditkit.api import (
        queries as queries,
    )
    from auditkit.api import (
        query as query,
    )
    from auditkit.api import (
        read_evidence as read_evidence,
    )
    from auditkit.api import (
        references as references,
    )
    from auditkit.api import (
        write_evidence as write_evidence,
    )
    from auditkit.api.auditor import (
        check as check,
    )
    from auditkit.api.auditor import (
        load as load,
    )
    from auditkit.api.owner import (
        fingerprint as fingerprint,
    )
    from auditkit.api.owner import (
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
    )
    from auditkit.core.requests import (
        InputFacts as InputFacts,
    )
    from auditkit.core.requests import (
        Options as Options,
    )
    from auditkit.core.requests import (
        Order as Order,
    )
    from auditkit.core.requests import (
        Patience as Patience,
    )
    from auditkit.core.requests import (
        Reach as Reach,
    )
    from auditkit.core.requests import (
        ReferencePlan as ReferencePlan,
    )
    from auditkit.core.requests import (
        TwinPlan as TwinPlan,
    )
    from auditkit.core.verdicts import (
        Decision as Decision,
    )
    from auditkit.core.verdicts import (
        Examination as Examination,
    )
    from auditkit.core.verdicts import (
        Reason as Reason,
    )
    from auditkit.core.verdicts import (
        Refusal as Refusal,
    )
    from auditkit.core.verdicts import (
        Verdict as Verdict,
    )
    from auditkit.files.bundle import (
        Bundle as Bundle,
    )
    from auditkit.files.bundle import (
        read as read,
    )
    from auditkit.files.bundle import (
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
