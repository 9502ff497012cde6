"""Clustering, DeepCore's third identification: on which side of a two-way split a suspect falls.

Each model is represented by the core points on which it gives the owner's label: nearly all for
copies, few for independent models. Owner, known models and suspect are split into two groups by
three clusterings: hierarchical (average linkage), k-means, and spectral (sign of the second
eigenvector of the normalised Laplacian). Suspects are clustered one at a time, so that a verdict
doesn't depend on who else was audited. Known to be innocent are the bundle's twins, known to be
copies those that the fingerprint was measured on. The identification abstains without both, since a
two-way split always puts somebody with the owner, and if the clusterings disagree or don't keep the
known models apart.
"""

import numpy as np

from auditkit.core.arrays import BoolArray, DoubleArray, IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CORE
from auditkit.core.verdicts import Decision, Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle

__all__ = ["weigh_clusters"]

NAME = "clustering"
COMPARED = (ReferenceKind.TWIN, ReferenceKind.MEASURED_COPY)
FEWEST = 3
"""Least number of known models of each kind."""


def weigh_clusters(bundle: Bundle, evidence: Evidence) -> Identification:
    """Split owner, known models and suspect in two; say what all three clusterings agree on.

    The value is the share of the clusterings that put the suspect with the owner, 0..1.
    """
    # Nobody uses a broken copy, and it answers like nobody.
    known = [r for r in bundle.references if r.kind in COMPARED and not r.recipe.get("broken")]
    copied = np.array([r.kind.is_derived for r in known], bool)
    if min(copied.sum(), (~copied).sum()) < FEWEST:
        counts = {"twins": int((~copied).sum()), "copies": int(copied.sum())}
        reason = Reason(ReasonCode.NEEDS_KNOWN_MODELS, {"needed": FEWEST, **counts})
        return Identification(NAME, None, reason)
    core = bundle.fingerprint.sheet.rows(CORE)
    if not evidence.answers.answered[core].any():
        return Identification(NAME, None, Reason(ReasonCode.NO_ANSWERS))
    owner = bundle.fingerprint.sheet.labels[core]
    said = [*(r.answers.labels[core] for r in known), evidence.answers.labels[core]]
    # Matches with the owner, not labels: innocents' labels differ from each other as well, and a
    # two-way split of labels isolates one of the innocents (docs/decisions/0002-verdict.md).
    distances = _distances(np.stack([owner, *said]) == owner)
    splits = [split(distances) for split in (_hierarchical, _kmeans, _spectral)]
    votes = [_vote(split == split[0], copied) for split in splits]
    value = float(np.mean([vote is Decision.PIRATED for vote in votes]))
    if None in votes or len(set(votes)) > 1:
        return Identification(NAME, None, Reason(ReasonCode.CLUSTERINGS_DISAGREE), value=value)
    reason = Reason(ReasonCode.CLUSTERED, {"with": str(votes[0])})
    return Identification(NAME, votes[0], reason, value=value, threshold=1.0)


def _vote(with_owner: BoolArray, copied: BoolArray) -> Decision | None:
    """Return on which side the suspect is; None if the split mixes the known models.

    Args:
        with_owner: (models,) whether a model is in the owner's group; the first is the owner, the
            last the suspect, and the known models lie between.
        copied: (known,) which of the known models are copies of the owner.
    """
    # No innocent may be on the owner's side, but up to half of the copies may be missing from it:
    # only the first error could accuse an innocent suspect.
    known = with_owner[1:-1]
    if not known[copied].mean() > 0.5 or known[~copied].any():
        return None
    return Decision.PIRATED if with_owner[-1] else Decision.HOMOLOGOUS


def _distances(matches: BoolArray) -> DoubleArray:
    """Return the share of points on which two rows differ, (models, models), 0..1.

    Args:
        matches: (models, points) whether each model gives the owner's label.
    """
    differ: DoubleArray = (matches[:, None] != matches[None]).mean(axis=2)
    return differ


def _hierarchical(distances: DoubleArray) -> IntArray:
    """Return the group of each model, (models,), by average linkage."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(distances, checks=False), method="average")
    split: IntArray = fcluster(tree, 2, criterion="maxclust")
    return split


def _kmeans(distances: DoubleArray) -> IntArray:
    """Return the group of each model, (models,), by k-means on the rows of the distance matrix."""
    from scipy.cluster.vq import kmeans2

    # Fixed starts, the owner and the model furthest from it, instead of random ones: the same
    # evidence must give the same verdict each time.
    centres = distances[[0, int(distances[0].argmax())]]
    split: IntArray = kmeans2(distances, centres, minit="matrix", missing="warn")[1]
    return split


def _spectral(distances: DoubleArray) -> IntArray:
    """Return the group of each model, (models,), by the normalised Laplacian's second eigenvector.

    The affinity is a Gaussian whose width is the median distance.
    """
    affinity = np.exp(-((distances / max(float(np.median(distances)), 1e-9)) ** 2))
    root = 1 / np.sqrt(affinity.sum(axis=1))
    _, vectors = np.linalg.eigh(np.eye(len(affinity)) - root[:, None] * affinity * root)
    split: IntArray = (vectors[:, 1] * root > 0).astype(np.int64)
    return split
