"""Makes a folder's bundle, asks all its suspects, and judges their answers at every access."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from auditkit.core.access import Access
from auditkit.core.evidence import Evidence
from auditkit.core.models import ReferenceKind, SuspectRecord
from auditkit.core.requests import Asking, Options, Order
from auditkit.core.verdicts import LineUp, Verdict
from auditkit.files import bundle as bundles
from auditkit.files import evidence as evidences
from auditkit.files.bundle import Bundle
from auditkit.fingerprints.making import make_fingerprint
from auditkit.judging.judge import judge
from auditkit.judging.lineup.standing import line_up
from auditkit.suspects.examiner import query
from experiments.lineup.population import COPY, INNOCENT, Folder, Record

BUNDLE, ALONE, EVIDENCE = "lineup.fp", "alone.fp", "evidence"


@dataclass(frozen=True, slots=True)
class Mode:
    """One way of auditing."""

    name: str
    access: Access
    file: bool
    """Whether the suspect is a file: asked all points, its weights seen."""


MODES = (
    Mode("API, labels", Access.LABEL, file=False),
    Mode("API, scores", Access.LOGITS, file=False),
    Mode("file, labels", Access.LABEL, file=True),
    Mode("file, scores", Access.LOGITS, file=True),
)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One suspect in one mode."""

    name: str
    record: Record
    mode: Mode
    verdict: Verdict
    said: Evidence
    """All that it answered, before it was cut to the mode."""

    @property
    def line_up(self) -> LineUp:
        """Its line-up."""
        found = self.verdict.line_up
        assert found is not None
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Hearing:
    """Everybody of one population."""

    population: str
    bundle: Bundle
    judged: tuple[Judged, ...]
    records: dict[str, Record]

    def of(self, mode: Mode, kind: str) -> list[Judged]:
        """Suspects of one kind in one mode."""
        return [one for one in self.judged if one.mode == mode and one.record.kind == kind]


def made_bundle(folder: Folder, order: Order, tell: Callable[[str], None]) -> Bundle:
    """Open the folder's bundle, with twins or without, or make it."""
    path = folder.path / (BUNDLE if order.twins else ALONE)
    if not path.exists():
        started, stages = time.monotonic(), set()

        def progress(stage: str, _done: int, _total: int) -> None:
            if stage not in stages:
                stages.add(stage)
                tell(f"{time.monotonic() - started:.0f} s: {stage}")

        bundles.write(make_fingerprint(order, progress), path)
        tell(f"{path} made in {time.monotonic() - started:.0f} s")
    return bundles.read(path)


@dataclass(frozen=True, slots=True, eq=False)
class Asker:
    """Asks a folder's suspects all that a bundle has."""

    folder: Folder
    bundle: Bundle
    device: str
    tell: Callable[[str], None]

    def evidence(self, name: str) -> Evidence:
        """What a suspect said; nobody is asked twice."""
        digest = self.bundle.digest.removeprefix("sha256:")[:8]
        path = self.folder.path / EVIDENCE / digest / f"{name}.evidence"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            started = time.monotonic()
            asking = Asking(options=Options(self.device), sequential=False, thorough=True)
            said = query(self.bundle, str(self.folder.suspect(name)), asking)
            evidences.write(said, self.bundle, path)
            self.tell(f"asked {name} in {time.monotonic() - started:.1f} s")
        return evidences.read(path, self.bundle)


def heard(asker: Asker, workers: int) -> Hearing:
    """Ask whom nobody asked yet, so many at once, and judge everybody."""
    folder, bundle = asker.folder, asker.bundle
    records = folder.records()
    names = [
        name
        for name, record in records.items()
        if record.kind in (INNOCENT, COPY) and folder.suspect(name).exists()
    ]
    with ThreadPoolExecutor(workers) as pool:  # what answers has a process of its own
        said = list(pool.map(asker.evidence, names))
    judged = [
        Judged(name, records[name], mode, judge(bundle, cut(whole, bundle, mode)), whole)
        for name, whole in zip(names, said, strict=True)
        for mode in MODES
    ]
    return Hearing(folder.population, bundle, tuple(judged), records)


def cut(evidence: Evidence, bundle: Bundle, mode: Mode) -> Evidence:
    """What would be left of a file's evidence in one mode."""
    if mode.file:
        return replace(evidence, answers=evidence.answers.capped(mode.access))
    asked = bundle.fingerprint.sheet.questions
    answers = evidence.answers.first(asked).capped(mode.access)
    # Labels alone don't tell how many classes there are.
    classes = None if mode.access is Access.LABEL else evidence.classes
    return replace(evidence, answers=answers, spent=asked, classes=classes, weights=None)


def twins_accused(bundle: Bundle, mode: Mode) -> Iterator[LineUp]:
    """Each twin as an innocent suspect before the owner and the other twins."""
    for reference in bundle.references:
        if reference.kind is ReferenceKind.TWIN:
            others = tuple(other for other in bundle.references if other is not reference)
            record = SuspectRecord(reference.name, reference.digest, "twin", {})
            classes = bundle.fingerprint.owner.classes
            whole = Evidence(record, bundle.digest, reference.answers, classes)
            found = line_up(replace(bundle, references=others), cut(whole, bundle, mode))
            assert found is not None
            yield found
