"""Easy tasks as data files for the zoo: `python -m benchmarks.easy FOLDER`.

On scikit-learn's 8-pixel digits and on table rows independent models answer alike, so that a tool
which counts agreement would accuse every innocent there.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_wine


def main() -> None:
    """Write digits.npz (images) and cancer.npz, wine.npz (rows)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.easy", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    np.savez(folder / "digits.npz", x=images, y=digits.target)
    for name, loader in (("cancer", load_breast_cancer), ("wine", load_wine)):
        table = loader()
        np.savez(folder / f"{name}.npz", x=table.data, y=table.target)


if __name__ == "__main__":
    main()
