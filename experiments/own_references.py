"""Verdicts by references that `auditkit references` trained: is the promise kept?

`python -m experiments.own_references ZOO BUNDLE --owner NAME` asks every model of the small
population with a bundle that was calibrated from such a folder. The models were trained by others'
recipes, longer and on more data: how far do references stand for what they did not make?
"""

import argparse
from collections import Counter, defaultdict
from pathlib import Path

from auditkit import api
from auditkit.core.access import Access
from auditkit.core.requests import Asking
from auditkit.core.verdicts import Decision, Verdict
from auditkit.files import bundle as bundles
from experiments.verdicts import column
from experiments.zoo.store import read_records


def main() -> None:
    """Print one table for each access."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.own_references", description=__doc__
    )
    parser.add_argument("zoo", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--owner", required=True, help="its name in the population's manifest")
    options = parser.parse_args()
    bundle = bundles.read(options.bundle)
    records = [r for r in read_records(options.zoo) if not r.task and r.name != options.owner]
    for access in (Access.LABEL, Access.LOGITS):
        counts: defaultdict[str, Counter[Decision]] = defaultdict(Counter)
        for record in records:
            path = str(options.zoo / record.file)
            [examined] = api.audit(bundle, [path], Asking(access))
            outcome = examined.outcome
            assert isinstance(outcome, Verdict), outcome
            foreign = record.owner not in (None, options.owner)
            name = "another owner's copy" if foreign else column(record)
            counts[f"{name}, {record.net}" if record.owner is None else name][outcome.decision] += 1
        print(f"\n| {access} | pirated | homologous | inconclusive |\n|---|---|---|---|")
        for name, found in sorted(counts.items()):
            print(f"| {name} | {' | '.join(str(found[decision]) for decision in Decision)} |")


if __name__ == "__main__":
    main()
