"""Files that compute each layer in two branches: `python -m experiments.evasions.branches FOLDER`.

The weights of a branch look random, and no tensor of the file is the owner's, so that only answers
can tell. Asks the fine-tuned copy and the innocents behind some of the worst filters.
"""

import argparse
import warnings
from pathlib import Path

from experiments.evasions import graphs
from experiments.evasions.asking import as_file, asked_as
from experiments.evasions.models import prepared
from experiments.evasions.surgery import branched

WORST = (
    *("as it is", "clean below 0.3", "clean below 0.4", "steep 16", "shifted by 1"),
    *("own answer if among another's best 2", "clean, among another's best 2"),
    *("40 components, mean with 3 others", "another's answer if unsure"),
)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    warnings.simplefilter("ignore")
    models = prepared(folder)
    for who, net in {**models.copies, **models.innocents}.items():
        made = graphs.evasions(graphs.Parts(net, models.helpers, models.known))
        for name in WORST:
            path = as_file(made[name], (net, *models.helpers), folder, branched)
            told = [
                f"{one.column.twins} by {one.column.access} {one.decision}"
                for one in asked_as(path, models.bundles)
            ]
            print(f"{who}, {name}: {', '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
