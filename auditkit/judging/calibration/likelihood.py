"""Likelihood ratios bounded by the number of reference models, and the words for them.

LR = P(score | derived) / P(score | independent) is estimated by isotonic regression of a
reference's kind on its score (pool adjacent violators; Brummer and du Preez 2006). One made-up
homologous model above all scores and one made-up pirated model below all are added (rule of
succession), so that the ratio lies between 1 / (pirated + 1) and homologous + 1. Fitted densities
have no such bound: from ten models they can extrapolate to ratios of 10^12.
"""

import hashlib

import numpy as np

from auditkit.core.arrays import DoubleArray

SCALE = (
    (1.0, "neutral"),
    (2.0, "weak"),
    (10.0, "moderate"),
    (100.0, "moderately strong"),
    (1_000.0, "strong"),
    (10_000.0, "very strong"),
    (1_000_000.0, "extremely strong"),
)
"""The smallest likelihood ratio at which each word is used."""
CITATION = (
    "ENFSI Guideline for Evaluative Reporting in Forensic Science (2015), verbal scale for "
    "likelihood ratios"
)


def scale_digest() -> str:
    """Return the `sha256:…` digest of the citation and the table.

    Other programs use other bands under the same words, so a report names its own table.
    """
    table = CITATION + "".join(f"\n{least:g} {word}" for least, word in SCALE)
    return "sha256:" + hashlib.sha256(table.encode()).hexdigest()


def ratio(homologous: DoubleArray, pirated: DoubleArray, value: float) -> float:
    """Return how many times likelier a score is for derived models than for independent ones.

    Args:
        homologous: (n,) scores of the independent references, each by the score learnt without it.
        pirated: (m,) scores of the derived references, likewise.
        value: The suspect's score.

    Returns:
        A number between 1 / (m + 1) and n + 1 that never falls as `value` rises.
    """
    from scipy.optimize import isotonic_regression

    scores = np.concatenate([[-np.inf], homologous, pirated, [np.inf]])
    derived = np.concatenate([[1.0], np.zeros(len(homologous)), np.ones(len(pirated)), [0.0]])
    # Of equal scores the derived ones come first, so that a tie with an innocent gains nothing.
    order = np.lexsort((-derived, scores))
    share = isotonic_regression(derived[order]).x
    place = int(np.searchsorted(scores[order], value, side="right")) - 1
    odds = share[place] / max(1 - share[place], 1e-12)
    # The regression gives the odds within the pool of references, and how many of each kind there
    # are was somebody's choice. Dividing by the pool's prior odds removes that choice.
    prior = (len(pirated) + 1) / (len(homologous) + 1)
    return float(np.clip(odds / prior, 1 / (len(pirated) + 1), len(homologous) + 1))


def strength(likelihood_ratio: float) -> str:
    """Return the scale's word and the side it supports, as in `moderate support for derivation`."""
    size = max(likelihood_ratio, 1 / likelihood_ratio)
    word = [name for least, name in SCALE if size >= least][-1]
    if word == "neutral":
        return "supports neither side"
    side = "derivation" if likelihood_ratio > 1 else "independence"
    return f"{word} support for {side}"
