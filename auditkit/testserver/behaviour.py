"""How a served model behaves: what it reveals, and what goes wrong."""

import random
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from auditkit.core.access import Access
from auditkit.core.arrays import FloatArray

FAULTS = ("errors", "busy", "hang", "drop")


@dataclass(frozen=True, slots=True)
class Manners:
    """All switches of a served model; the defaults are a calm and open one."""

    reveal: Access = Access.LOGITS
    """No more than this is shown."""
    top: int = 3
    """Classes that are listed where the best are shown."""
    decimals: int | None = None
    """Of probabilities; None: all."""
    max_batch: int | None = None
    """Points in one request at most."""
    delay: float = 0.0
    """Seconds that each request takes."""
    token: str | None = None
    """Who does not bring it is turned away."""
    errors: float = 0.0
    """Share of requests that get 503."""
    busy: float = 0.0
    """Share that get 429."""
    hang: float = 0.0
    """Share that get nothing for half a minute."""
    drop: float = 0.0
    """Share whose connection ends before the reply does."""
    seed: int = 0
    """Of the draws that pick them."""
    swap_after: int | None = None
    """Points answered before another model takes over."""

    def __post_init__(self) -> None:
        shares = [getattr(self, fault) for fault in FAULTS]
        if min(shares) < 0 or sum(shares) > 1:
            raise ValueError(f"shares of faults lie within 0..1 and sum to 1 at most: {shares}")


class Luck:
    """Draws what goes wrong with each request, the same for the same seed."""

    def __init__(self, manners: Manners) -> None:
        self._shares = [(fault, getattr(manners, fault)) for fault in FAULTS]
        self._draws = random.Random(manners.seed)  # noqa: S311 - faults are no secrets
        self._lock = threading.Lock()

    def draw(self) -> str | None:
        """One of the faults, or none."""
        with self._lock:
            drawn = self._draws.random()
        for fault, share in self._shares:
            if drawn < share:
                return fault
            drawn -= share
        return None


def revealed(scores: FloatArray, manners: Manners) -> dict[str, NDArray[np.generic]]:
    """(b, classes) scores -> named outputs that show as much as the manners allow."""
    if manners.reveal is Access.LABEL:
        return {"label": scores.argmax(axis=1).astype(np.int64)}
    if manners.reveal is Access.LOGITS:
        return {"scores": scores}
    rows = _probabilities(scores)
    if manners.decimals is not None:
        rows = np.round(rows, manners.decimals)
    if manners.reveal is Access.TOP_K:
        best = np.argsort(-rows, axis=1, kind="stable")[:, : manners.top]
        return {"labels": best.astype(np.int64), "scores": np.take_along_axis(rows, best, axis=1)}
    return {"probabilities": rows}


def _probabilities(scores: FloatArray) -> FloatArray:
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        return scores
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: FloatArray = (grown / grown.sum(axis=1, keepdims=True)).astype(np.float32)
    return result
