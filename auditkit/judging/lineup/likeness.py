"""How much of a suspect's answers each member of a line-up explains.

A twin is the owner's recipe run again with other random numbers, so to a suspect that was made
without the owner's model the owner and its twins are interchangeable. The likeness treats all of
them alike: what the suspect says is explained as a mixture of what the members say (linear
regression with a little ridge), and a member's likeness is its share of the mixture. What all
members have in common raises no share more than another's; neither does the scale of the suspect's
scores, which a distillation temperature changes. Only a member's own peculiarities do.

One regression serves all measures, which differ in what is explained: `labels`, by all `beliefs`
of the members; `confidences`; `scores`; or `relations` between answers, for suspects of another
label space.
"""

import numpy as np

from auditkit.core.answers import LEAST_PROBABILITY
from auditkit.core.arrays import DoubleArray, FloatArray, IntArray

RIDGE = 1e-3
"""Added to the regression's diagonal, as a share of its mean: some members may answer everything
alike. From 1e-4 to 1e-1 it made no difference (docs/decisions/0010-line-up.md)."""
MOST_RELATED = 300
"""Points at most whose pairs are compared; 300 points make 45,000 pairs."""


def likeness(members: DoubleArray, suspect: DoubleArray) -> DoubleArray:
    """Return each member's share in the mixture that explains the suspect best.

    Args:
        members: (n, values) one row for each member of the line-up.
        suspect: (values,).

    Returns:
        (n,) without a unit; only their order and distances count.
    """
    products = (members @ members.T).astype(np.float64)
    ridge = RIDGE * max(float(np.trace(products)), 1e-12) / len(members)
    np.fill_diagonal(products, products.diagonal() + ridge)
    return np.asarray(np.linalg.solve(products, members @ suspect), np.float64)


def labels(answers: IntArray, classes: int) -> DoubleArray:
    """Return (models, points * classes): 1 where a model gives a point a class, else 0; centred.

    Args:
        answers: (models, points) labels; -1, for no answer, is no class.
        classes: How many classes there are; further ones count as no answer.
    """
    return _centred(_given(answers, classes))


def beliefs(answers: IntArray, scored: FloatArray | None, classes: int) -> DoubleArray:
    """Return (models, points * classes): labels, and how likely each model finds each class.

    What explains a suspect's labels. Labels alone can't tell members that are sure from those that
    are not, and innocents stand out further by them than a bell curve allows.

    Args:
        answers: (models, points) labels.
        scored: (models, points, classes) log-probabilities; None: there are labels only.
        classes: How many classes there are.
    """
    given = _given(answers, classes)
    return _centred(given if scored is None else given + np.exp(scored.astype(np.float64)))


def confidences(answers: FloatArray) -> DoubleArray:
    """Return (models, points * classes): square roots of probabilities, centred.

    At core points each member is certain of a class of its own. A suspect that is certain of
    another one may still find that class likelier than all others, as a copy behind an input filter
    does. Logarithms would weigh the classes that nobody thinks of as much as the one that counts;
    square roots are between these and labels, and distances between them are Hellinger's.

    Args:
        answers: (models, points, classes) log-probabilities.
    """
    return _centred(np.exp(answers.astype(np.float64) / 2))


def scores(answers: FloatArray) -> DoubleArray:
    """Return (models, points * classes): log-probabilities, centred.

    Args:
        answers: (models, points, classes) log-probabilities; they are cut off where APIs round.
    """
    return _centred(_cut(answers))


def relations(labelled: IntArray, scored: FloatArray | None) -> DoubleArray:
    """Return (models, pairs): how alike a model finds each pair of the first points.

    Answers of one model alone are compared with each other, so that label spaces may differ (SAC;
    Guan et al., NeurIPS 2022): by the cosine of centred log-probabilities, or by whether the labels
    are the same.

    Args:
        labelled: (models, points) labels.
        scored: (models, points, classes) log-probabilities; None: there are labels only.
    """
    kept = labelled[:, :MOST_RELATED]
    first, second = np.triu_indices(kept.shape[1], 1)
    if scored is None:
        same: DoubleArray = (kept[:, first] == kept[:, second]).astype(np.float64)
        return same
    rows = _cut(scored[:, :MOST_RELATED])
    rows -= rows.mean(axis=-1, keepdims=True)
    rows /= np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)
    cosines: DoubleArray = np.einsum("mpc,mqc->mpq", rows, rows)
    return cosines[:, first, second]


def _given(answers: IntArray, classes: int) -> DoubleArray:
    given: DoubleArray = (answers[..., None] == np.arange(classes)).astype(np.float64)
    return given


def _cut(answers: FloatArray) -> DoubleArray:
    return np.maximum(answers.astype(np.float64), np.log(LEAST_PROBABILITY))


def _centred(said: DoubleArray) -> DoubleArray:
    """Return (models, points * classes) without each point's mean, and then without each class's.

    The first takes a temperature's offset away. The second takes away how fond a model is of a
    class: one that says it everywhere would be like the member that says it most often.
    """
    within = said - said.mean(axis=2, keepdims=True)
    centred: DoubleArray = within - within.mean(axis=1, keepdims=True)
    return centred.reshape(len(said), -1)
