"""Suspects that a journal was kept of."""

from pathlib import Path

import numpy as np

WEIGHTS = np.load(Path(__file__).parent / "weights.npy")


def silent(points):
    """What is in the journal is never asked again."""
    raise RuntimeError("asked again")
