"""How the test server behaves: what it reveals, and which faults it simulates."""

import random
import threading
from dataclasses import dataclass

import numpy as np

from auditkit.core.access import Access
from auditkit.core.arrays import FloatArray, Rows

FAULTS = ("errors", "busy", "hang", "drop")
"""Fields of `Behaviour` that hold the share of requests with each fault."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """All settings of the server; by default it reveals logits and never fails."""

    reveal: Access = Access.LOGITS
    """The most that replies reveal."""
    top: int = 3
    """Number of classes listed if `reveal` is top-k."""
    decimals: int | None = None
    """Decimals that probabilities are rounded to; None for no rounding."""
    max_batch: int | None = None
    """Largest number of points in one request; None for no limit."""
    delay: float = 0.0
    """Seconds to wait before each answer."""
    token: str | None = None
    """Bearer token that every request must carry; None if none is needed."""
    errors: float = 0.0
    """Share of requests answered with status 503, 0 to 1."""
    busy: float = 0.0
    """Share answered with status 429."""
    hang: float = 0.0
    """Share that get no answer for `handler.HANGING` seconds."""
    drop: float = 0.0
    """Share whose connection is closed in the middle of the reply."""
    seed: int = 0
    """Seed of the random numbers that choose requests with faults."""
    swap_after: int | None = None
    """Number of points after which the other model answers; None for never."""

    def __post_init__(self) -> None:
        shares = [getattr(self, fault) for fault in FAULTS]
        # One draw decides which fault a request gets, so that the shares are of the same whole.
        if min(shares) < 0 or sum(shares) > 1:
            raise ValueError(f"shares of faults lie within 0..1 and sum to 1 at most: {shares}")


class Luck:
    """Draws a fault, or none, for each request; the same sequence for the same seed."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._shares = [(fault, getattr(behaviour, fault)) for fault in FAULTS]
        self._draws = random.Random(behaviour.seed)  # noqa: S311 - faults are no secrets
        self._lock = threading.Lock()

    def draw(self) -> str | None:
        """One of `FAULTS`, or None for a request that is answered."""
        # Handlers run in threads, and interleaved draws would make runs differ.
        with self._lock:
            drawn = self._draws.random()
        for fault, share in self._shares:
            if drawn < share:
                return fault
            drawn -= share
        return None


def revealed(scores: FloatArray, behaviour: Behaviour) -> dict[str, Rows]:
    """Reduce a model's answers to what the server reveals.

    Args:
        scores: (b, classes) float32 logits or probabilities.
        behaviour: What may be revealed.

    Returns:
        Outputs by name, each with b rows.
    """
    if behaviour.reveal is Access.LABEL:
        return {"label": scores.argmax(axis=1).astype(np.int64)}
    if behaviour.reveal is Access.LOGITS:
        return {"scores": scores}
    rows = _probabilities(scores)
    if behaviour.decimals is not None:
        rows = np.round(rows, behaviour.decimals)
    if behaviour.reveal is Access.TOP_K:
        best = np.argsort(-rows, axis=1, kind="stable")[:, : behaviour.top]
        return {"labels": best.astype(np.int64), "scores": np.take_along_axis(rows, best, axis=1)}
    return {"probabilities": rows}


def _probabilities(scores: FloatArray) -> FloatArray:
    # A model that ends in softmax answers probabilities. A second softmax would flatten them.
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        return scores
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: FloatArray = (grown / grown.sum(axis=1, keepdims=True)).astype(np.float32)
    return result
