"""The whole audit of each wrapped copy and innocent, counted."""

import functools
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from auditkit import api
from auditkit.core.requests import Asking, Options, Patience
from auditkit.core.verdicts import Decision, ReasonCode, Refusal, Verdict
from auditkit.reports.wording import sentence
from tests.wrapped.carriers import CARRIERS, Made
from tests.wrapped.nets import population
from tests.wrapped.wrappings import WRAPPINGS, Wrapping

PATIENCE = Patience(longest=0, tries=1)
REFUSED = "refused"
ACQUITTING = (ReasonCode.NO_SIGN_OF_A_COPY,)
"""Reasons of an open verdict that clear a suspect all the same."""


@dataclass(frozen=True)
class Found:
    """What an audit said of one suspect."""

    said: str
    """A decision, or `REFUSED`."""
    line: str
    """Why, in the words that users read."""
    acquitted: bool = False
    """Whether it was called independent, or without any sign of a copy."""


@dataclass(frozen=True)
class Row:
    """One wrapping through one carrier."""

    kind: str
    carrier: str
    copy: Found
    innocent: Found


@functools.cache
def rows(carrier: str) -> tuple[Row, ...]:
    """Audit everything that goes through a carrier."""
    return tuple(_row(way, carrier) for way in WRAPPINGS if carrier in way.carriers)


def _row(way: Wrapping, carrier: str) -> Row:
    copy, innocent = (_found(Made(way, who), carrier) for who in ("copy", "innocent"))
    return Row(way.name, carrier, copy, innocent)


def _found(made: Made, carrier: str) -> Found:
    asking = Asking(options=Options("cpu"), patience=PATIENCE)
    with (
        tempfile.TemporaryDirectory(prefix="wrapped-") as folder,
        CARRIERS[carrier](made, Path(folder)) as suspect,
    ):
        [examined] = api.audit(population().bundle, [suspect], asking)
    outcome = examined.outcome
    if isinstance(outcome, Refusal):
        return Found(REFUSED, outcome.reason.replace(folder, "…"))
    assert isinstance(outcome, Verdict)
    acquitted = outcome.decision is Decision.HOMOLOGOUS or outcome.reason.code in ACQUITTING
    return Found(str(outcome.decision), sentence(outcome.reason), acquitted)


def counted(found: Iterable[Row]) -> dict[str, int]:
    """Count copies and innocents by what was said of them."""
    listed = list(found)
    copies, innocents = ([getattr(row, who) for row in listed] for who in ("copy", "innocent"))
    return {
        "copies": len(copies),
        "found": sum(one.said == Decision.PIRATED for one in copies),
        "acquitted": sum(one.acquitted for one in copies),
        "left open": sum(one.said == Decision.INCONCLUSIVE and not one.acquitted for one in copies),
        "refused": sum(one.said == REFUSED for one in copies),
        "innocents": len(innocents),
        "accused": sum(one.said == Decision.PIRATED for one in innocents),
        "cleared": sum(one.acquitted for one in innocents),
    }
