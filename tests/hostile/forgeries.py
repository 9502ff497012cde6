"""Forged bundles: an accuser who wants an independent model convicted, by every means that fits.

Each forgery is a function from an honest bundle, with twins or without, and the answers of the
suspect that the accuser is after, to what is written. Hashes always fit: the accuser has auditkit.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.fingerprint import Discrimination, Siblings
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.points import CONTROL, CORE, Family, Sheet
from auditkit.files import bundle as bundles
from auditkit.files import container
from auditkit.files.bundle import Bundle
from tests.conftest import CLASSES, SHAPE, digest_of, linear, points_of, said_by

Scores = Callable[[np.ndarray], np.ndarray]
Change = Callable[[Bundle, Scores], Bundle]


@dataclass(frozen=True)
class Forgery:
    """A name, and what is written in place of an honest bundle."""

    name: str
    change: Change
    manifest: dict[str, object] | None = None
    """Entries of the manifest that are written over in the end."""
    hidden: bool = False
    """Whether the file also gets a tensor that nothing refers to."""


def write(forgery: Forgery, honest: Bundle, suspect: Scores, path: Path) -> None:
    """Write a forgery with fitting hashes; the writer's own checks are left out."""
    packed = bundles._packed(forgery.change(honest, suspect))
    manifest = {**packed.manifest, **(forgery.manifest or {})}
    tensors = dict(packed.tensors)
    if forgery.hidden:
        tensors["more"] = np.zeros(8, np.float32)
    container.write(path, container.Packed(manifest, tensors))


def kept(honest: Bundle, _: Scores) -> Bundle:
    """Nothing is changed."""
    return honest


def asked_of(points: Callable[[Bundle], dict[str, np.ndarray]], *, of: str) -> Change:
    """Other points, with the outputs of the owner or of the suspect."""

    def change(honest: Bundle, suspect: Scores) -> Bundle:
        scores = suspect if of == "suspect" else linear
        families = {name: Family(rows, scores(rows)) for name, rows in points(honest).items()}
        return on(honest, Sheet.of(families))

    return change


def on(honest: Bundle, sheet: Sheet) -> Bundle:
    """The bundle with another sheet, where its known models answer as it suits the accuser."""
    return replace(
        honest,
        fingerprint=replace(honest.fingerprint, sheet=sheet),
        references=tuple(_disagreeing(one, sheet, n) for n, one in enumerate(honest.references)),
    )


def _disagreeing(one: Reference, sheet: Sheet, number: int) -> Reference:
    """A known model that agrees with the owner nowhere, or where siblings are said to."""
    core = np.flatnonzero(sheet.rows(CORE))
    labels = (sheet.labels + 1 + number % (CLASSES - 1)) % CLASSES
    if one.kind is ReferenceKind.SIBLING:
        same = core[: round(float(one.name.split()[-1]) * len(core))]
        labels[same] = sheet.labels[same]
    if one.kind is ReferenceKind.MEASURED_COPY:
        labels = sheet.labels.copy()
    scores = np.full((len(labels), CLASSES), -9.0, np.float32)
    scores[np.arange(len(labels)), labels] = -0.01
    return replace(one, answers=Answers(labels, scores, Access.LOGITS))


def natural(honest: Bundle) -> dict[str, np.ndarray]:
    """Points that all models of the task agree on."""
    points = points_of(4000, 77)
    sure = np.sort(linear(points), axis=1)
    order = np.argsort(sure[:, -2] - sure[:, -1])
    return {CORE: points[order[:100]], CONTROL: points[order[100:120]]}


def noise(honest: Bundle) -> dict[str, np.ndarray]:
    """Points of no meaning."""
    points = points_of(120, 78)
    return {CORE: points[:100], CONTROL: points[100:]}


def same(honest: Bundle) -> dict[str, np.ndarray]:
    """The honest points."""
    sheet = honest.fingerprint.sheet
    return {name: sheet.of_family(name).points for name in sheet.names}


def first(count: int) -> Callable[[Bundle], dict[str, np.ndarray]]:
    """The first natural points only."""
    return lambda honest: {CORE: natural(honest)[CORE][:count], CONTROL: natural(honest)[CONTROL]}


def repeated(honest: Bundle) -> dict[str, np.ndarray]:
    """One image as often as there are core points."""
    found = natural(honest)
    return {**found, CORE: np.repeat(found[CORE][:1], 100, axis=0)}


def half_repeated(honest: Bundle) -> dict[str, np.ndarray]:
    """Thirty images, and one of them seventy times more."""
    found = natural(honest)[CORE]
    return {CORE: np.concatenate([found[:30], np.repeat(found[:1], 70, axis=0)])}


def blank(honest: Bundle) -> dict[str, np.ndarray]:
    """Images without anything on them."""
    return {CORE: np.zeros((100, *SHAPE), np.float32)}


def core_only(honest: Bundle) -> dict[str, np.ndarray]:
    """Natural points, and no controls."""
    return {CORE: natural(honest)[CORE]}


def without(*kinds: ReferenceKind) -> Change:
    """Natural points, and fewer known models than are spoken of."""

    def change(honest: Bundle, suspect: Scores) -> Bundle:
        forged = asked_of(natural, of="owner")(honest, suspect)
        left = tuple(one for one in forged.references if one.kind not in kinds)
        return replace(forged, references=left)

    return change


def said(**claims: object) -> Change:
    """Natural points and other claims."""

    def change(honest: Bundle, suspect: Scores) -> Bundle:
        forged = asked_of(natural, of="owner")(honest, suspect)
        return replace(forged, fingerprint=replace(forged.fingerprint, **claims))

    return change


def stale(honest: Bundle, _: Scores) -> Bundle:
    """Natural points, with the known models' answers to the points before."""
    found = natural(honest)
    sheet = Sheet.of({name: Family(rows, linear(rows)) for name, rows in found.items()})
    return replace(honest, fingerprint=replace(honest.fingerprint, sheet=sheet))


def honest_answers(honest: Bundle, _: Scores) -> Bundle:
    """Natural points, with the known models' true answers to them."""
    found = natural(honest)
    sheet = Sheet.of({name: Family(rows, linear(rows)) for name, rows in found.items()})
    known = tuple(
        replace(one, answers=said_by(sheet.points, _strange(one))) for one in honest.references
    )
    return replace(honest, fingerprint=replace(honest.fingerprint, sheet=sheet), references=known)


def _strange(one: Reference) -> np.ndarray:
    """Weights of an independent model for a known one."""
    seed = sum(one.name.encode())
    return np.random.default_rng(seed).normal(size=(16, CLASSES)).astype(np.float32)


def suspects_answers(honest: Bundle, suspect: Scores) -> Bundle:
    """The honest points, with the suspect's answers in place of the owner's."""
    return asked_of(same, of="suspect")(honest, suspect)


def one_for_all(honest: Bundle, suspect: Scores) -> Bundle:
    """The suspect's outputs, and one known model as often as there are."""
    forged = suspects_answers(honest, suspect)
    return replace(forged, references=tuple(forged.references[:1] * len(forged.references)))


def renamed(honest: Bundle, suspect: Scores) -> Bundle:
    """The same under other names, with one digest."""
    forged = one_for_all(honest, suspect)
    known = tuple(replace(one, name=f"net {n}") for n, one in enumerate(forged.references))
    return replace(forged, references=known)


def owner_as_twin(honest: Bundle, suspect: Scores) -> Bundle:
    """The suspect's outputs, and the owner's own file among the known models."""
    forged = suspects_answers(honest, suspect)
    own = replace(forged.references[-1], digest=honest.fingerprint.owner.digest)
    return replace(forged, references=(*forged.references[:-1], own))


def dated(created: str) -> Change:
    """The suspect's outputs, and another date."""
    return lambda honest, suspect: replace(suspects_answers(honest, suspect), created=created)


def owned(**facts: object) -> Change:
    """The suspect's outputs, and another owner."""

    def change(honest: Bundle, suspect: Scores) -> Bundle:
        forged = suspects_answers(honest, suspect)
        owner = replace(forged.fingerprint.owner, **facts)
        return replace(forged, fingerprint=replace(forged.fingerprint, owner=owner))

    return change


def line_up(**terms: object) -> Change:
    """The suspect's outputs, and other terms of the line-up."""

    def change(honest: Bundle, suspect: Scores) -> Bundle:
        forged = suspects_answers(honest, suspect)
        own = replace(forged.fingerprint.line_up, **terms)
        return replace(forged, fingerprint=replace(forged.fingerprint, line_up=own))

    return change


def transferred(honest: Bundle, suspect: Scores) -> Bundle:
    """Points that were chosen because owner and suspect agree there, and twins do not."""
    points = points_of(40_000, 79)
    agree = points[linear(points).argmax(1) == suspect(points).argmax(1)]
    found = {CORE: agree[:100], CONTROL: agree[100:120]}
    return on(honest, Sheet.of({name: Family(rows, linear(rows)) for name, rows in found.items()}))


FULL = digest_of("anything")
CERTAIN = {"discrimination": Discrimination.DISCRIMINATING, "reason": "measured beyond doubt"}


def forgeries() -> Iterator[Forgery]:
    """Yield all forgeries; the names say what is in them."""
    for name, points in POINTS.items():
        for of in ("owner", "suspect"):
            yield Forgery(f"{name}, outputs of the {of}", asked_of(points, of=of))
    for name, change in CHANGES.items():
        yield Forgery(name, change)
    for name, manifest in MANIFESTS.items():
        yield Forgery(name, suspects_answers, manifest)
    yield Forgery("a tensor that nothing refers to", suspects_answers, hidden=True)


POINTS = {
    "natural points": natural,
    "noise": noise,
    "honest points": same,
    "a single core point": first(1),
    "two core points": first(2),
    "nineteen core points": first(19),
    "one image a hundred times": repeated,
    "thirty images, one of them often": half_repeated,
    "blank images": blank,
    "no controls": core_only,
}
CHANGES: dict[str, Change] = {
    "stale answers": stale,
    "true answers of strangers": honest_answers,
    "no stand-ins": without(ReferenceKind.STAND_IN),
    "no siblings": without(ReferenceKind.SIBLING),
    "no twins": without(ReferenceKind.TWIN),
    "no known models": without(*ReferenceKind),
    "nothing but copies": without(
        ReferenceKind.STAND_IN, ReferenceKind.SIBLING, ReferenceKind.TWIN
    ),
    "siblings that share nothing": said(siblings=Siblings((0.0, 0.0), "")),
    "a certain discrimination": said(**CERTAIN),
    "no parameters": said(parameters={}),
    "another seed": said(seed=12345),
    "one known model for all": one_for_all,
    "one known model under many names": renamed,
    "the owner among its twins": owner_as_twin,
    "made in 1999": dated("1999-01-01T00:00:00Z"),
    "made in 9999": dated("9999-01-01T00:00:00Z"),
    "made the day before yesterday": dated("the day before yesterday"),
    "made with an escape": dated("\x1b[2J"),
    "an owner without a digest": owned(digest="none"),
    "an owner with another digest": owned(digest=FULL),
    "an owner with a long name": owned(name="x" * 10_000_000),
    "a level of 0.99": line_up(level=0.99),
    "a level of one half": line_up(level=0.5),
    "a tiny level": line_up(level=5e-324),
    "more twins than there are": line_up(twins=99),
    "no line-up": line_up(twins=0),
    "a doubt": line_up(doubt="none of your business"),
    "points on which both agree": transferred,
}
MANIFESTS: dict[str, dict[str, object]] = {
    "an unknown lead": {"lead": "nonsense"},
    "a lead that is a path": {"lead": "../../x"},
    "another lead": {"lead": "output_similarity"},
    "doubled families": {"families": ["core", "core", "control"]},
    "an unknown key": {"more": "than there should be"},
    "doubled identifications": {"identifications": ["label_similarity"] * 3},
    "nothing but the lead": {"identifications": ["label_similarity"]},
    "a tiny std": {
        "spec": {"shape": [1, 4, 4], "lower": [0.0], "upper": [1.0], "mean": [0.0], "std": [1e-320]}
    },
    "a huge mean": {
        "spec": {"shape": [1, 4, 4], "lower": [0.0], "upper": [1.0], "mean": [1e308], "std": [1.0]}
    },
    "terms of another version": {"terms": {"accuse": 0.9, "acquit": 0.9, "clearance": 0.0}},
}
