"""Which of several outputs of one suspect counts: the one that is closest to the owner."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from auditkit.core.evidence import Evidence
from auditkit.core.points import CONTROL
from auditkit.core.verdicts import Decision
from auditkit.files.bundle import Bundle
from auditkit.judging.judge import judge
from auditkit.suspects.preprocessing import RECOGNISED
from auditkit.suspects.readings import MOST_READ, Reading


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """One output, and what it said."""

    reading: Reading
    evidence: Evidence


def closest(bundle: Bundle, read: Sequence[Read], outputs: Sequence[str]) -> Evidence:
    """Return the evidence that counts, which says how many outputs were looked at.

    Args:
        bundle: Whose points were asked.
        read: What each output said, likeliest first.
        outputs: Names of all outputs.
    """
    different = _different(read)
    best, looks = different[0], len(different)
    if looks > 1:
        best = max(different, key=lambda one: _closeness(bundle, one.evidence, looks))
    note = _note(best, [one.reading for one in read], outputs)
    evidence = best.evidence
    notes = (*evidence.notes, note) if note else evidence.notes
    return replace(evidence, looks=looks, notes=notes)


def _different(read: Sequence[Read]) -> list[Read]:
    """Leave out outputs that give the labels of an earlier one, such as labels beside scores."""
    found: dict[bytes, Read] = {}
    for one in read:
        found.setdefault(one.evidence.answers.labels.tobytes(), one)
    return list(found.values())


def _closeness(bundle: Bundle, evidence: Evidence, looks: int) -> tuple[bool, bool, float]:
    """Return what ranks an output: an accusation, knowing the task, the owner's labels."""
    sheet, labels = bundle.fingerprint.sheet, evidence.answers.labels
    same = labels == sheet.labels
    controls = sheet.rows(CONTROL)
    asked = ~controls
    asked[sheet.questions :] = False
    accused = judge(bundle, replace(evidence, looks=looks)).decision is Decision.PIRATED
    # An output that does not know the task, such as features as wide as the owner's classes, may
    # agree by chance as often as an independent classifier.
    knows = not controls.any() or float(same[controls].mean()) >= RECOGNISED
    return accused, knows, float(same[asked].mean())


def _note(best: Read, readings: Sequence[Reading], outputs: Sequence[str]) -> str:
    used = {name for reading in readings for name in reading.names}
    left = [name for name in outputs if name not in used]
    if len(outputs) < 2 or (len(readings) == 1 and not left):
        return ""
    read = ", ".join(map(str, readings))
    told = f"the output {read} was read"
    if len(readings) > 1:
        told = f"the outputs {read} were each asked and judged; {best.reading} counts, which is "
        told += "the closest to the owner"
    unread = ", ".join(repr(name[:40]) for name in left[:MOST_READ])
    return told + (f"; not read: {unread}" if left else "")
