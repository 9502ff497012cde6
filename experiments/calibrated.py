"""Do the promised error rates hold? `python -m experiments.calibrated ZOO` on the small population.

Each owner's bundle gets 99 independent reference models and three quarters of the owner's copies;
the models left out are judged, and the splits go round until every copy was left out. Independent
are the homologous models, the other owners, and *the other owners' copies*, which a score that had
only learnt what copies look like would accuse. Beside it the baseline AKH with as many queries and
the same references, one architecture left out of the references, and sequential queries.
"""

import argparse
import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from auditkit import api
from auditkit.adapters.base import Port, Values
from auditkit.core.access import Access
from auditkit.core.arrays import Rows
from auditkit.core.verdicts import Decision, Verdict
from auditkit.files.bundle import Bundle
from auditkit.judging.calibration.conformal import needed
from auditkit.judging.calibration.intervals import exact
from auditkit.suspects.examiner import meet
from auditkit.suspects.interview import OPENING
from auditkit.suspects.sequential import one_by_one
from experiments.splits import (
    FOREIGN,
    HOMOLOGOUS,
    INNOCENT,
    Heard,
    Split,
    calibrated,
    column,
    evidence,
    hear,
    owners,
    splits,
    spread,
)
from experiments.verdicts import MODIFIED
from experiments.zoo.store import Record

LEVEL = 0.01


class Row(NamedTuple):
    """One held-out model under one split."""

    column: str
    verdict: Verdict
    baseline: float
    """The baseline's p-value."""


def main() -> None:
    """Print the tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(prog="python -m experiments.calibrated", description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--access", nargs="*", type=Access, default=[Access.LABEL, Access.LOGITS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--owners", nargs="*", help="names in the manifest; all unless given")
    parser.add_argument("--families", nargs="*", default=[], help="these points alone")
    options = parser.parse_args()
    chosen = [o for o in owners(options.zoo) if not options.owners or o.name in options.owners]
    heard = [hear(options.zoo, owner, tuple(options.families)) for owner in chosen]
    for access in options.access:
        rows = [row for one in heard for row in _judged(one, access, options.seed)]
        print(f"\n## {access}\n\n{_verdicts(rows)}\n\n{_rates(rows)}", flush=True)
        print(f"\n{_unrepresented(heard, access, options.seed)}", flush=True)
    for access in options.access if not options.families else []:
        print(
            f"\n## {access}, one by one\n\n{_one_by_one(heard, access, options.seed)}", flush=True
        )


def _judged(heard: Heard, access: Access, seed: int) -> Iterator[Row]:
    for split in splits(heard, seed):
        bundle = calibrated(heard, split)
        for record in split.held_out:
            verdict = api.judge(bundle, evidence(heard, bundle, record, access))
            yield Row(column(heard, record), verdict, _baseline(heard, split, record))


def _baseline(heard: Heard, split: Split, record: Record) -> float:
    known = [heard.mistakes[other.name] for other in split.independent]
    losses = sum(value >= heard.mistakes[record.name] for value in known)
    return (1 + losses) / (1 + len(known))  # nothing was learnt from the references


def _grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[row.column].append(row)
    first = (INNOCENT, FOREIGN, MODIFIED)
    return {name: groups[name] for name in (*first, *sorted(set(groups) - set(first)))}


def _verdicts(rows: Sequence[Row]) -> str:
    lines = [
        "| models | comparisons | pirated | homologous | inconclusive |",
        "|---|---|---|---|---|",
    ]
    for name, group in _grouped(rows).items():
        counts = Counter(row.verdict.decision for row in group)
        cells = " | ".join(str(counts[decision]) for decision in Decision)
        lines.append(f"| {name} | {len(group)} | {cells} |")
    return "\n".join(lines)


def _rates(rows: Sequence[Row]) -> str:
    lines = ["| models | p at most 1 % | AKH, as many queries |", "|---|---|---|"]
    for name, group in _grouped(rows).items():
        ours = sum(_p(row.verdict) <= LEVEL + 1e-12 for row in group)
        theirs = sum(row.baseline <= LEVEL + 1e-12 for row in group)
        lines.append(f"| {name} | {_share(ours, len(group))} | {_share(theirs, len(group))} |")
    return "\n".join(lines)


def _p(verdict: Verdict) -> float:
    assert verdict.comparison is not None
    return verdict.comparison.p_homologous


def _share(count: int, total: int) -> str:
    interval = exact(count, total)
    value, low, high = (100 * share for share in interval)
    return f"{value:.1f} % [{low:.1f}, {high:.1f}] ({count} of {total})"


def _unrepresented(heard: Sequence[Heard], access: Access, seed: int) -> str:
    """Innocents of an architecture, or from an ancestor, that no reference model has."""
    nets = sorted({record.net for one in heard for record in one.independent})
    groups: dict[str, Callable[[Record], bool]] = {
        net: functools.partial(_is_of, net=net) for net in nets
    }
    groups["public ancestor"] = lambda record: record.how == "common ancestor"
    lines = ["| left out | judged | p at most 1 % | pirated |", "|---|---|---|---|"]
    for name, inside in groups.items():
        verdicts = [v for one in heard for v in _strange(one, inside, access, seed)]
        low = sum(_p(verdict) <= LEVEL + 1e-12 for verdict in verdicts)
        accused = sum(verdict.decision is Decision.PIRATED for verdict in verdicts)
        lines.append(f"| {name} | {len(verdicts)} | {_share(low, len(verdicts))} | {accused} |")
    return "\n".join(lines)


def _is_of(record: Record, net: str) -> bool:
    return record.net == net


def _strange(
    heard: Heard, inside: Callable[[Record], bool], access: Access, seed: int
) -> Iterator[Verdict]:
    others = [record for record in heard.independent if not inside(record)]
    chosen = spread(others, np.random.default_rng(seed))[:HOMOLOGOUS]
    left_out = [record for record in heard.independent if inside(record)]
    bundle = calibrated(heard, Split(chosen, heard.copies, left_out))
    for record in left_out:
        yield api.judge(bundle, evidence(heard, bundle, record, access))


class _Told:
    """A model that is asked again from what it said: the adapter of an interview."""

    port = Port("told", "sha256:told", values=Values.POINTS)
    runtime: Mapping[str, str] = {"kept": "answers"}

    def __init__(self, bundle: Bundle, rows: Rows) -> None:
        points = bundle.fingerprint.sheet.points
        self._rows = {point.tobytes(): row for point, row in zip(points, rows, strict=True)}

    def answer(self, batch: Rows) -> Rows:
        return np.array([self._rows[point.tobytes()] for point in batch])

    def close(self) -> None:
        """Nothing is open."""


def _one_by_one(heard: Sequence[Heard], access: Access, seed: int) -> str:
    """Only where there are references enough for a verdict on the way."""
    queries, decisions = defaultdict(list), defaultdict(Counter)
    for one in heard:
        for split in splits(one, seed):
            bundle = calibrated(one, split)
            if min(map(len, (split.copies, split.independent))) < needed(bundle.terms.acquit):
                continue
            for record in split.held_out:
                if record in one.broken:
                    continue
                verdict = _sequential(one, bundle, record, access)
                queries[column(one, record)].append(verdict.queries)
                decisions[column(one, record)][verdict.decision] += 1
    lines = [
        "| models | judged | pirated | homologous | inconclusive | median queries | of at most |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name, counts in decisions.items():
        cells = " | ".join(str(counts[decision]) for decision in Decision)
        asked = f"{median(queries[name]):g} | {max(queries[name])}"
        lines.append(f"| {name} | {counts.total()} | {cells} | {asked} |")
    return "\n".join(lines)


def _sequential(heard: Heard, bundle: Bundle, record: Record, access: Access) -> Verdict:
    said = heard.answers[record.name]
    assert said.answers.scores is not None
    told = _Told(bundle, np.exp(said.answers.scores))
    interview = meet(bundle, told, said.suspect, access)
    interview.ask(interview.controls[:OPENING])
    return api.judge(bundle, one_by_one(bundle, interview))


if __name__ == "__main__":
    from experiments import calibrated as page

    page.main()
