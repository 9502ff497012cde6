"""DeepCore's third identification: on which side of a two-way split the suspect falls.

A model is the row of core points on which it gives the owner's label: copies are nearly full rows,
strangers nearly empty ones. Owner, reference models and this one suspect are split in two by three
clusterings: hierarchical (average linkage), k-means, and spectral (sign of the second eigenvector
of the normalised Laplacian). Other suspects never take part, so that a verdict doesn't depend on
its batch-mates. Without references of both kinds it abstains, since a two-way split always accuses
somebody; it also abstains where the split does not keep the known references apart.
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
COMPARED = (ReferenceKind.HOMOLOGOUS, ReferenceKind.PIRATED)
FEWEST = 3
"""References of each kind."""


def weigh_clusters(bundle: Bundle, evidence: Evidence) -> Identification:
    """Split owner, references and suspect; say what all three clusterings agree on."""
    known = [r for r in bundle.references if r.kind in COMPARED]
    pirated = np.array([r.kind.is_derived for r in known], bool)
    if min(pirated.sum(), (~pirated).sum()) < FEWEST:
        counts = {"homologous": int((~pirated).sum()), "pirated": int(pirated.sum())}
        reason = Reason(ReasonCode.NEEDS_REFERENCES, {"needed": FEWEST, **counts})
        return Identification(NAME, None, reason)
    core = bundle.fingerprint.sheet.rows(CORE)
    owner = bundle.fingerprint.sheet.labels[core]
    said = [*(r.answers.labels[core] for r in known), evidence.answers.labels[core]]
    distances = _distances(np.stack([owner, *said]) == owner)
    splits = [split(distances) for split in (_hierarchical, _kmeans, _spectral)]
    votes = [_vote(split == split[0], pirated) for split in splits]
    value = float(np.mean([vote is Decision.PIRATED for vote in votes]))
    if None in votes or len(set(votes)) > 1:
        return Identification(NAME, None, Reason(ReasonCode.CLUSTERINGS_DISAGREE), value)
    reason = Reason(ReasonCode.CLUSTERED, {"with": str(votes[0])})
    return Identification(NAME, votes[0], reason, value, 1.0)


def _vote(with_owner: BoolArray, pirated: BoolArray) -> Decision | None:
    """None where the split mixes what is known: then it says nothing about the suspect."""
    references = with_owner[1:-1]
    if not references[pirated].mean() > 0.5 or references[~pirated].any():
        return None
    return Decision.PIRATED if with_owner[-1] else Decision.HOMOLOGOUS


def _distances(matches: BoolArray) -> DoubleArray:
    """(models, points) -> (models, models): share of points on which two rows differ, 0..1."""
    differ: DoubleArray = (matches[:, None] != matches[None]).mean(axis=2)
    return differ


def _hierarchical(distances: DoubleArray) -> IntArray:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(distances, checks=False), method="average")
    split: IntArray = fcluster(tree, 2, criterion="maxclust")
    return split


def _kmeans(distances: DoubleArray) -> IntArray:
    """On the rows of the distance matrix, from the owner's and the furthest model's."""
    from scipy.cluster.vq import kmeans2

    centres = distances[[0, int(distances[0].argmax())]]
    split: IntArray = kmeans2(distances, centres, minit="matrix", missing="warn")[1]
    return split


def _spectral(distances: DoubleArray) -> IntArray:
    affinity = np.exp(-((distances / max(float(np.median(distances)), 1e-9)) ** 2))
    root = 1 / np.sqrt(affinity.sum(axis=1))
    _, vectors = np.linalg.eigh(np.eye(len(affinity)) - root[:, None] * affinity * root)
    split: IntArray = (vectors[:, 1] * root > 0).astype(np.int64)
    return split
