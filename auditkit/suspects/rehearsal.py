"""A rehearsal: one point is asked, to see how a suspect is asked and what it replies."""

from dataclasses import dataclass, replace

from auditkit.adapters import identified, open_suspect
from auditkit.core.access import usable
from auditkit.core.arrays import Rows
from auditkit.core.errors import SuspectError
from auditkit.core.escape import first_line
from auditkit.core.points import CONTROL
from auditkit.core.requests import Exchange, Options, Patience
from auditkit.files.bundle import Bundle
from auditkit.suspects.client import Client
from auditkit.suspects.log import Memory


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What went out, what came back, and what was read in it."""

    exchanges: tuple[Exchange, ...]
    """None where the suspect speaks gRPC or is no API."""
    read: str
    """The answer in words; empty if there was none."""
    error: str
    """Why there was none."""


def rehearse(bundle: Bundle, suspect: str, options: Options = Options()) -> Rehearsal:
    """Ask a suspect one point, a natural control if the bundle has any; nothing is kept.

    Raises:
        SuspectError: It can't be opened, or takes other inputs than the points.
        PluginError: Its adapter is missing.
    """
    made, seen = bundle.fingerprint, list[Exchange]()
    known = replace(
        options,
        classes=made.owner.classes,
        reach=replace(options.reach, witness=seen.append),
    )
    adapter = open_suspect(identified(suspect), known)
    once = Patience(longest=0, tries=1)
    try:
        client = Client(adapter, made.spec, once, Memory(), resize=options.resize)
        # A control is a natural sample: it tells nobody what the fingerprint is made of.
        row = int(made.sheet.rows(CONTROL).argmax())
        [answer] = client.answer(made.sheet.points[row : row + 1], made.spec)
    except SuspectError as error:
        return Rehearsal(tuple(seen[:1]), "", first_line(error))
    finally:
        adapter.close()
    return Rehearsal(tuple(seen[:1]), _told(answer, int(made.sheet.labels[row])), "")


def _told(answer: Rows, owners: int) -> str:
    """Say what was read, and what the owner's model says to the same point."""
    if not usable(answer[None]).all():
        return f"no class; the owner's model says class {owners}"
    label = int(answer.argmax()) if answer.ndim else int(answer)
    scores = ""
    if answer.ndim:
        scores = f" of {len(answer)}, scores {answer.min():.3g} to {answer.max():.3g}"
    same = "the same" if label == owners else f"class {owners}"
    return f"class {label}{scores}; the owner's model says {same}"
