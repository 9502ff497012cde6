"""The small population split into reference models and suspects, for each of its owners."""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from auditkit import api
from auditkit.adapters import identified, open_suspect
from auditkit.bench.shorter import shortened
from auditkit.core.access import Access
from auditkit.core.evidence import Evidence
from auditkit.core.models import Reference, ReferenceKind, SuspectRecord
from auditkit.core.points import CORE
from auditkit.core.requests import Options, Order
from auditkit.files import bundle as bundles
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.base import agreement
from auditkit.suspects.examiner import ask_opened
from experiments.verdicts import COLUMN_OF, MODIFIED
from experiments.zoo.store import Record, read_records

HOMOLOGOUS, FOLDS = 99, 4
INNOCENT, FOREIGN = "homologous", "another owner's copy"


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One owner's bundles and what every model of the owner's label space said to them."""

    owner: Record
    bundle: Bundle
    baseline: Bundle
    answers: dict[str, Evidence]
    mistakes: dict[str, float]
    """Share of the baseline's natural mistakes that a model makes too."""
    independent: list[Record]
    copies: list[Record]
    broken: list[Record]


class Split(NamedTuple):
    """Which models are references, and which are judged."""

    independent: list[Record]
    copies: list[Record]
    held_out: list[Record]


def owners(zoo: Path) -> list[Record]:
    """The population's owners."""
    return [record for record in read_records(zoo) if record.kind == "owner"]


def hear(zoo: Path, owner: Record, families: tuple[str, ...] = ()) -> Heard:
    """Fingerprint an owner, and ask everybody of its label space.

    Args:
        zoo: The population's folder.
        owner: One of its owners.
        families: The families of points that are heard; empty: all.
    """
    bundle = _with_only(made(zoo, owner, "deepcore", 100), families)
    baseline = made(zoo, owner, "akh", len(bundle.fingerprint.sheet))
    mistaken = baseline.fingerprint.sheet
    core = mistaken.rows(CORE)
    records = [r for r in read_records(zoo) if not r.task and r.name != owner.name]
    answers, mistakes = {}, {}
    for record in records:
        known = SuspectRecord(record.name, record.digest, "onnx", {})
        suspect = identified(str(zoo / record.file))
        with contextlib.closing(open_suspect(suspect, Options("cpu"))) as adapter:
            answers[record.name] = ask_opened(bundle, adapter, known)
            said = ask_opened(baseline, adapter, known).answers
        mistakes[record.name] = agreement(mistaken.labels[core], said.at(core))
    copies = [r for r in records if r.owner == owner.name]
    independent = [r for r in records if r.owner != owner.name and not r.broken]
    return Heard(
        owner,
        bundle,
        baseline,
        answers,
        mistakes,
        independent,
        [r for r in copies if not r.broken],
        [r for r in copies if r.broken],
    )


def _with_only(bundle: Bundle, families: Sequence[str]) -> Bundle:
    if not families:
        return bundle
    sheet = bundle.fingerprint.sheet
    return shortened(bundle, sheet.cut({name: sheet.counts()[name] for name in families}))


def made(zoo: Path, owner: Record, method: str, points: int) -> Bundle:
    """Kept in the population's folder: making one takes a minute."""
    path = zoo / "calibrated" / f"{owner.name}-{method}-{points}.fp"
    if not path.exists():
        model, samples = str(zoo / str(owner.model)), zoo / "samples.npz"
        path.parent.mkdir(exist_ok=True)
        # Calibrated verdicts don't depend on siblings.
        order = Order(model, samples=samples, method=method, points=points, siblings=0)
        bundles.write(api.fingerprint(order), path)
    return bundles.read(path)


def splits(heard: Heard, seed: int) -> Iterator[Split]:
    """Until every copy was left out once."""
    rng = np.random.default_rng([seed, *heard.owner.name.encode()])
    independent, copies = spread(heard.independent, rng), spread(heard.copies, rng)
    for fold in range(FOLDS):
        start = fold * len(independent) // FOLDS
        turned = independent[start:] + independent[:start]
        left_out = copies[fold::FOLDS]
        yield Split(
            turned[:HOMOLOGOUS],
            [copy for copy in copies if copy not in left_out],
            [*turned[HOMOLOGOUS:], *left_out, *heard.broken],
        )


def spread(records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
    """Shuffled so that each run of them holds each kind and net in proportion."""
    groups = defaultdict(list)
    for place in rng.permutation(len(records)):
        record = records[place]
        groups[record.net, record.how if record.owner is None else record.owner].append(record)
    times = [
        (number + rng.random()) / len(group)
        for group in groups.values()
        for number in range(len(group))
    ]
    mixed = [record for group in groups.values() for record in group]
    return [mixed[place] for place in np.argsort(times)]


def calibrated(heard: Heard, split: Split) -> Bundle:
    """The owner's bundle with the split's reference models."""
    kinds = {ReferenceKind.HOMOLOGOUS: split.independent, ReferenceKind.PIRATED: split.copies}
    references = tuple(
        Reference(r.name, kind, r.digest, heard.answers[r.name].answers)
        for kind, records in kinds.items()
        for r in records
    )
    return replace(heard.bundle, references=(*heard.bundle.references, *references))


def evidence(heard: Heard, bundle: Bundle, record: Record, access: Access) -> Evidence:
    """What a model said to the owner's bundle, cut down to this access."""
    said = heard.answers[record.name]
    return replace(said, answers=said.answers.capped(access), bundle_digest=bundle.digest)


def column(heard: Heard, record: Record) -> str:
    """The line of the tables that a model belongs to."""
    if record.owner is None:
        return INNOCENT
    if record.owner != heard.owner.name:
        return FOREIGN
    return "broken" if record.broken else COLUMN_OF.get(record.how, MODIFIED)
