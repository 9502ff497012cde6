"""When a suspect that is asked one by one is looked at."""

import math

import numpy as np

from auditkit.core.arrays import IntArray

# The looks are fixed, so that nobody can choose the moment at which a suspect looks worst. After a
# few points an innocent suspect may share labels with one member and none with the others.
FIRST, STEP, GROWTH = 40, 2, 1.1
"""The first look is after 40 points; each next one after 2 more or a tenth more, if later."""


def look_schedule(points: int) -> IntArray:
    """Return the numbers of points after which a suspect is looked at; the last one is `points`."""
    looks, look = [], FIRST
    while look < points:
        looks.append(look)
        look = max(look + STEP, math.ceil(GROWTH * look))
    return np.array([*looks, points], np.int64)
