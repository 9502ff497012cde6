"""Do the p-values hold what they say? `python -m experiments.nulls` on simulated innocents.

A simulated model gives the owner's label with a probability of its own, drawn from a beta
distribution: `rho` is the correlation that this puts between its answers (0: every model has the
same). Independent models have a mean of 0.5, copies of 0.9. Each replicate learns a score from 99
independent and 19 derived reference models, as `auditkit check` does, and judges fresh models by
it: innocents against the 99 at 1 %, copies against the 19 at 5 %, once after the last answer and
once at every look of a sequential audit. Beside it what a binomial test of the share of matching
labels would do.

The standard error is that of the mean over replicates, since suspects of one replicate share its
references. Exit code 1 where a rate is above its level by more than three of them.
"""

import argparse
import itertools
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from auditkit.core.fingerprint import Terms
from auditkit.judging.calibration.comparison import TIE
from auditkit.judging.calibration.conformal import p_value
from auditkit.judging.calibration.score import Score, learn, look_schedule
from auditkit.judging.calibration.similarity import Replies

HEADER = (
    "rho",
    "points",
    "innocents: p at most 1 %",
    "at any look",
    "called pirated",
    "copies: p at most 5 %",
    "at any look",
    "binomial test at 1 %",
)
HOMOLOGOUS, PIRATED = 99, 19
MEANS = {False: 0.5, True: 0.9}
RHOS, POINTS = (0.0, 0.01, 0.05, 0.1, 0.2), (20, 100, 1000)
TERMS = Terms()


class Cell(NamedTuple):
    """One correlation and number of points."""

    rho: float
    points: int


class Tested(NamedTuple):
    """Of many suspects, each (suspects,)."""

    p_homologous: NDArray[np.float64]
    p_pirated: NDArray[np.float64]
    clearance: NDArray[np.float64]


class Rates(NamedTuple):
    """Shares of one replicate's suspects that a test rejects, 0..1."""

    accused: float
    accused_by_looking: float
    acquitted: float
    acquitted_by_looking: float
    called_pirated: float
    binomial: float


LEVELS = Rates(TERMS.accuse, TERMS.accuse, TERMS.acquit, TERMS.acquit, TERMS.accuse, TERMS.accuse)
TESTED = 5
"""Of the rates, all but the binomial test's must hold."""


def main() -> None:
    """Print one line a cell."""
    parser = argparse.ArgumentParser(prog="python -m experiments.nulls", description=__doc__)
    parser.add_argument("--paths", type=int, default=1_000_000, help="suspects a cell")
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--points", type=int, nargs="*", default=POINTS)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"| {' | '.join(HEADER)} |\n{'|---' * len(HEADER)}|")
    failed = False
    with ProcessPoolExecutor(options.workers) as pool:
        for points, rho in itertools.product(options.points, RHOS):
            started = time.perf_counter()
            cell, suspects = Cell(rho, points), options.paths // options.replicates
            seeds = np.random.SeedSequence((options.seed, points, round(1000 * rho)))
            jobs = [(cell, suspects, seed) for seed in seeds.spawn(options.replicates)]
            rates = np.array(list(pool.map(_replicate, jobs, chunksize=1)))
            failed |= _print(cell, rates)
            print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    sys.exit(1 if failed else 0)


def _print(cell: Cell, rates: NDArray[np.float64]) -> bool:
    """Returns whether a rate is too high."""
    means, errors = rates.mean(axis=0), rates.std(axis=0, ddof=1) / np.sqrt(len(rates))
    texts = [
        f"{100 * mean:.2f} ± {100 * error:.2f} %" for mean, error in zip(means, errors, strict=True)
    ]
    order = [texts[place] for place in (0, 1, 4, 2, 3, 5)]
    print(f"| {cell.rho:g} | {cell.points} | {' | '.join(order)} |", flush=True)
    return bool((means > np.array(LEVELS) + 3 * errors)[:TESTED].any())


def _replicate(job: tuple[Cell, int, np.random.SeedSequence]) -> Rates:
    cell, count, seed = job
    rng = np.random.default_rng(seed)
    references = np.concatenate(
        [_models(rng, cell, HOMOLOGOUS, derived=False), _models(rng, cell, PIRATED, derived=True)]
    )
    derived = np.arange(len(references)) >= HOMOLOGOUS
    owner = np.ones(cell.points, np.int64)
    score = learn(Replies(references), derived, look_schedule(cell.points), owner)
    innocents, copies = (_models(rng, cell, count, derived=kind) for kind in (False, True))
    innocent, innocent_by_looking = _tested(score, innocents)
    copy, copy_by_looking = _tested(score, copies)
    pirated = (innocent.p_homologous <= TERMS.accuse) & (innocent.p_pirated > TERMS.acquit)
    pirated &= innocent.clearance >= TERMS.clearance
    matches = innocents.sum(axis=1)
    return Rates(
        float((innocent.p_homologous <= TERMS.accuse).mean()),
        float((innocent_by_looking.p_homologous <= TERMS.accuse).mean()),
        float((copy.p_pirated <= TERMS.acquit).mean()),
        float((copy_by_looking.p_pirated <= TERMS.acquit).mean()),
        float(pirated.mean()),
        float((binom.sf(matches - 1, cell.points, MEANS[False]) <= TERMS.accuse).mean()),
    )


def _models(
    rng: np.random.Generator, cell: Cell, count: int, *, derived: bool
) -> NDArray[np.int64]:
    """(count, points): 1 where the model gives the owner's label."""
    mean = MEANS[derived]
    size = (1 - cell.rho) / cell.rho if cell.rho else None
    shares = (
        np.full(count, mean) if size is None else rng.beta(mean * size, (1 - mean) * size, count)
    )
    matches: NDArray[np.int64] = (rng.random((count, cell.points)) < shares[:, None]).astype(
        np.int64
    )
    return matches


def _tested(score: Score, suspects: NDArray[np.int64]) -> tuple[Tested, Tested]:
    """What `compare` does for one suspect, for many at once: at the last look, and at all.

    The last look's score is the one that is learnt for a single look.
    """
    asked = suspects.shape[1]
    scores = score.of(Replies(suspects), asked)[:, :, :-1]
    none = np.zeros((1, 1, 1))
    last = replace(
        score,
        looks=score.looks[-1:],
        own=score.own[-1:],
        owner=np.full(asked, -1),
        agreed=score.agreed[-1:],
        usual=score.usual[-1:],
    )
    agreement = score.agreement(Replies(suspects), asked)
    return (
        _ranked(last, last.furthest(scores[-1:], none)),
        _ranked(score, score.furthest(scores, agreement)),
    )


def _ranked(score: Score, reached: NDArray[np.float64]) -> Tested:
    lost, p_values = reached <= score.own_furthest() + TIE, []
    for members in (~score.derived, score.derived):
        models = int(members.sum())
        table = np.array([p_value(losses, models) for losses in range(models + 1)])
        p_values.append(table[lost[:, members].sum(axis=1)])
    return Tested(*p_values, score.clearance(reached))


if __name__ == "__main__":
    from experiments import nulls

    nulls.main()
