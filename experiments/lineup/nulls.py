"""Simulated line-ups in which nobody copied: how often the owner would be first, or accused.

Two experiments. In the first, likenesses are drawn from a distribution, and only ranks and gaps are
computed: a million line-ups. In the second, answers are drawn: points of several classes, members
that share much, and a suspect to which all members are interchangeable; likenesses, ranks and gaps
are the product's.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.optimize import brentq

from auditkit.core.arrays import BoolArray, DoubleArray, IntArray
from auditkit.judging.lineup.likeness import (
    beliefs,
    confidences,
    labels,
    likeness,
    relations,
    scores,
)
from auditkit.judging.lineup.ranking import gap_p, standing
from experiments.lineup.population import TWINS

LEVEL = 1e-4
CHUNK = 20_000
MEASURES = (1, 3)
RELATED = 0.6
"""Correlation of one member's likeness by one measure with that by another."""
SIZES = {"alike": (1.0, 1.0), "some twice as wild": (0.7, 1.4)}
"""How far members' own parts reach, least and most: twins differ a little."""
CLASSES, CORE, DISPUTED, NATURAL = 10, 100, 65, 400
Draw = Callable[[np.random.Generator, tuple[int, ...]], DoubleArray]


@dataclass(frozen=True, slots=True)
class Rates:
    """What happened in simulated line-ups."""

    line_ups: int
    first: int
    """In how many the owner was first."""
    gaps: int
    """Over all members in turn: how many had a gap beyond the level."""
    members: int

    def cells(self) -> tuple[str, ...]:
        """Cells of a table."""
        expected = 1 / self.members
        error = sqrt(expected * (1 - expected) / self.line_ups)
        rate, turns = self.first / self.line_ups, self.line_ups * self.members
        return (
            f"{self.line_ups:,}",
            f"{rate:.3%}",
            f"{(rate - expected) / error:+.1f} SE",
            f"{self.gaps / turns:.1e}",
            f"{self.gaps} of {turns:,}",
        )


def told(replicates: int, answered: int) -> Iterator[str]:
    """All lines."""
    titles = ("line-ups", "owner first", "from 5 %", "gap at 1e-4", "in turn")
    yield "Likenesses drawn:"
    yield ""
    yield from _head("likenesses", "measures", *titles)
    for name, draw in DRAWS.items():
        for measures in MEASURES:
            yield _row(name, str(measures), *drawn(draw, measures, replicates).cells())
    yield ""
    yield "Answers drawn:"
    yield ""
    yield from _head("members", "suspect", "compared", *titles)
    for members, sizes in SIZES.items():
        for name, suspect in SUSPECTS.items():
            for way, rates in simulated(suspect, sizes, answered).items():
                yield _row(members, name, way, *rates.cells())


def _head(*titles: str) -> tuple[str, str]:
    return _row(*titles), "|---" * len(titles) + "|"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> DoubleArray:
    return rng.standard_normal(shape)


def _heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> DoubleArray:
    return rng.standard_t(3, shape)


def _skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> DoubleArray:
    return rng.standard_exponential(shape)


def _short(rng: np.random.Generator, shape: tuple[int, ...]) -> DoubleArray:
    return rng.random(shape)


DRAWS: dict[str, Draw] = {
    "normal": _normal,
    "flat (uniform)": _short,
    "skewed (exponential)": _skewed,
    "heavy tails (t, 3 degrees of freedom)": _heavy,
}


def drawn(draw: Draw, measures: int, replicates: int) -> Rates:
    """Draw likenesses; those of one member by several measures are correlated."""
    rng, members = np.random.default_rng(0), TWINS + 1
    bound = least_gap(measures)
    first = gaps = 0
    for start in range(0, replicates, CHUNK):
        count = min(CHUNK, replicates - start)
        common = draw(rng, (count, 1, members))
        own = draw(rng, (count, measures, members))
        z = standing(sqrt(RELATED) * common + sqrt(1 - RELATED) * own).max(axis=1)
        first += int(_first(z).sum())
        gaps += int((z >= bound).sum())
    return Rates(replicates, first, gaps, members)


@functools.cache
def least_gap(measures: int) -> float:
    """The gap whose p-value is the level."""
    found: float = brentq(lambda z: gap_p(z, TWINS, measures) - LEVEL, 0, 100)
    return found


def _first(z: DoubleArray) -> BoolArray:
    """(line-ups, members) -> whether the owner is alone at the top, as ties count against it."""
    alone: BoolArray = z[:, 0] > z[:, 1:].max(axis=1)
    return alone


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Log-probabilities (models, points, classes): the members', then the suspect's."""

    said: DoubleArray

    @property
    def labels(self) -> IntArray:
        """(models, points)."""
        found: IntArray = self.said.argmax(axis=2)
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What all models of a task have in common, and the members' own parts."""

    common: DoubleArray
    """(points, classes)."""
    own: DoubleArray
    """(members, points, classes)."""
    outsider: DoubleArray
    """(points, classes): the own part of a twin that is no member."""


Suspect = Callable[[Task, np.random.Generator], DoubleArray]
Compare = Callable[[Drawn], list[DoubleArray]]


def _task(rng: np.random.Generator, sizes: tuple[float, float]) -> Task:
    """Half of the points are easy; at core points each member is sure of a class of its own."""
    points, members = CORE + DISPUTED + NATURAL, TWINS + 1
    common = rng.standard_normal((points, CLASSES))
    truth = rng.integers(CLASSES, size=points)
    sure = np.where(rng.random(points) < 0.5, 6.0, 1.5)
    sure[:CORE] = 0
    sure[CORE : CORE + DISPUTED] = 0.5
    common[np.arange(points), truth] += sure
    wild = rng.uniform(*sizes, (members + 1, 1, 1))
    own = wild * rng.standard_normal((members + 1, points, CLASSES))
    codes = rng.integers(CLASSES, size=(members, CORE))
    rows = np.arange(CORE)
    for member, code in enumerate(codes):
        own[member, rows, code] += 6
    return Task(common, own[:-1], own[-1])


def _twin(task: Task, rng: np.random.Generator) -> DoubleArray:
    return task.common + rng.standard_normal(task.common.shape)


def _student(task: Task, rng: np.random.Generator) -> DoubleArray:
    return task.common + task.outsider + 0.5 * rng.standard_normal(task.common.shape)


def _ensemble(task: Task, rng: np.random.Generator) -> DoubleArray:
    """Learnt from all members alike, as one that was trained on a public mixture would be."""
    return task.common + task.own.mean(axis=0) + 0.3 * rng.standard_normal(task.common.shape)


def _weak(task: Task, rng: np.random.Generator) -> DoubleArray:
    return 0.3 * task.common + 2 * rng.standard_normal(task.common.shape)


def _biased(task: Task, rng: np.random.Generator) -> DoubleArray:
    """Prefers a class everywhere, and says it at nearly all core points."""
    said = task.common + 0.5 * rng.standard_normal(task.common.shape)
    said[:, rng.integers(CLASSES)] += 2
    return said


SUSPECTS: dict[str, Suspect] = {
    "another twin": _twin,
    "a student of another twin": _student,
    "a mean of all members": _ensemble,
    "a bad model": _weak,
    "one that prefers a class": _biased,
}


def _by_labels(drawn: Drawn) -> list[DoubleArray]:
    """API, labels."""
    parts = (slice(CORE), slice(CORE, CORE + DISPUTED))
    given, said = drawn.labels, drawn.said
    return [
        likeness(
            beliefs(given[:-1, part], said[:-1, part], CLASSES),
            labels(given[-1:, part], CLASSES)[0],
        )
        for part in parts
    ]


def _by_everything(drawn: Drawn) -> list[DoubleArray]:
    """A file with scores."""
    return [_like(confidences(drawn.said[:, :CORE])), _like(scores(drawn.said[:, CORE:]))]


def _by_relations(drawn: Drawn) -> list[DoubleArray]:
    """Another label space."""
    asked = slice(None, CORE + DISPUTED)
    return [_like(relations(drawn.labels[:, asked], drawn.said[:, asked]))]


def _like(rows: DoubleArray) -> DoubleArray:
    return likeness(rows[:-1], rows[-1])


WAYS: dict[str, Compare] = {
    "labels of 165 points": _by_labels,
    "scores of 565 points": _by_everything,
    "relations of 165 points": _by_relations,
}


def simulated(suspect: Suspect, sizes: tuple[float, float], replicates: int) -> dict[str, Rates]:
    """Draw the answers of members and a suspect, and line them up in every way."""
    rng = np.random.default_rng(1)
    first = dict.fromkeys(WAYS, 0)
    gaps = dict.fromkeys(WAYS, 0)
    for _ in range(replicates):
        task = _task(rng, sizes)
        said = np.concatenate([task.common + task.own, suspect(task, rng)[None]])
        answers = Drawn(_normed(said))
        for way, compared in WAYS.items():
            found = compared(answers)
            z = _largest(found)
            first[way] += int(_first(z[None])[0])
            gaps[way] += int((z >= least_gap(len(found))).sum())
    return {way: Rates(replicates, first[way], gaps[way], TWINS + 1) for way in WAYS}


def _largest(found: Sequence[DoubleArray]) -> DoubleArray:
    largest: DoubleArray = np.max([standing(row) for row in found], axis=0)
    return largest


def _normed(said: DoubleArray) -> DoubleArray:
    shifted = said - said.max(axis=-1, keepdims=True)
    logs: DoubleArray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return logs
