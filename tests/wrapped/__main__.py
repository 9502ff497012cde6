"""Print what comes of each wrapping: `python -m tests.wrapped [CARRIER …]`."""

import argparse
import warnings

from auditkit.core.verdicts import Decision
from tests.wrapped.carriers import CARRIERS
from tests.wrapped.counting import Row, counted, rows
from tests.wrapped.nets import one_thread
from tests.wrapped.wrappings import WRAPPINGS

SHOWN = {Decision.PIRATED: "found", Decision.INCONCLUSIVE: "open"}


def main() -> None:
    """Print the table of kinds and carriers, the counts, and a line for each that was not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.wrapped", description=__doc__)
    parser.add_argument("carriers", nargs="*", help=f"of {', '.join(CARRIERS)}; all by default")
    chosen = parser.parse_args().carriers or [*CARRIERS]
    warnings.simplefilter("ignore")
    with one_thread():
        found = {(row.kind, row.carrier): row for carrier in chosen for row in rows(carrier)}
    print(f"| copy wrapped as | {' | '.join(chosen)} |\n|---|{'---|' * len(chosen)}")
    for way in WRAPPINGS:
        cells = [_cell(found.get((way.name, carrier))) for carrier in chosen]
        if any(cells):
            print(f"| {way.name} | {' | '.join(cells)} |")
    names = [*counted(())]
    print(f"\n| carrier | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for carrier in [*chosen, "all"]:
        part = [row for row in found.values() if carrier in (row.carrier, "all")]
        print(f"| {carrier} | {' | '.join(map(str, counted(part).values()))} |")
    print()
    for row in found.values():
        if row.copy.said != Decision.PIRATED:
            print(f"- {row.kind}, {row.carrier}: {row.copy.said}: {row.copy.line}")


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    said = "ACQUITTED" if row.copy.acquitted else SHOWN.get(row.copy.said, row.copy.said)
    return said + (", INNOCENT ACCUSED" if row.innocent.said == Decision.PIRATED else "")


if __name__ == "__main__":
    main()
