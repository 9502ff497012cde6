"""Likelihood ratios that can't outrun the reference models, and the words for them.

LR = P(score | derived) / P(score | independent), by isotonic regression of which pool a reference
is from on its score (pool adjacent violators; Brummer and du Preez 2006). One homologous model
above all scores and one pirated model below all are added (rule of succession), so that the ratio
lies within 1 / (pirated + 1) and homologous + 1: fitted densities extrapolate to 10^12 from ten
models.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

SCALE = (
    (1.0, "neutral"),
    (2.0, "weak"),
    (10.0, "moderate"),
    (100.0, "moderately strong"),
    (1_000.0, "strong"),
    (10_000.0, "very strong"),
    (1_000_000.0, "extremely strong"),
)
"""From which ratio each word of support is used."""
CITATION = (
    "ENFSI Guideline for Evaluative Reporting in Forensic Science (2015), verbal scale for "
    "likelihood ratios"
)


def scale_digest() -> str:
    """`sha256:…` of citation and table: others shift the bands, so a report names its own."""
    table = CITATION + "".join(f"\n{least:g} {word}" for least, word in SCALE)
    return "sha256:" + hashlib.sha256(table.encode()).hexdigest()


def ratio(homologous: NDArray[np.float64], pirated: NDArray[np.float64], value: float) -> float:
    """How many times likelier the score is among derived models than among independent ones.

    Args:
        homologous: (n,) scores of independent references, each learnt without it.
        pirated: (m,) scores of derived references, likewise.
        value: The suspect's score.

    Returns:
        A number within 1 / (m + 1) and n + 1, rising with `value`.
    """
    from scipy.optimize import isotonic_regression

    scores = np.concatenate([[-np.inf], homologous, pirated, [np.inf]])
    derived = np.concatenate([[1.0], np.zeros(len(homologous)), np.ones(len(pirated)), [0.0]])
    order = np.lexsort((-derived, scores))  # of equal scores the derived first: no gain from a tie
    share = isotonic_regression(derived[order]).x
    place = int(np.searchsorted(scores[order], value, side="right")) - 1
    odds = share[place] / max(1 - share[place], 1e-12)
    prior = (len(pirated) + 1) / (len(homologous) + 1)
    return float(np.clip(odds / prior, 1 / (len(pirated) + 1), len(homologous) + 1))


def strength(likelihood_ratio: float) -> str:
    """The scale's word, with the side it supports: `moderate support for derivation`."""
    size = max(likelihood_ratio, 1 / likelihood_ratio)
    word = [name for least, name in SCALE if size >= least][-1]
    if word == "neutral":
        return "supports neither side"
    side = "derivation" if likelihood_ratio > 1 else "independence"
    return f"{word} support for {side}"
