"""DeepCore's third identification: on which side of a two-way split the suspect falls.

A model is the row of core points on which it gives the owner's label: copies are nearly full rows,
strangers nearly empty ones. Owner, reference models and this one suspect are split in two by three
clusterings: hierarchical (average linkage), k-means, and spectral (sign of the second eigenvector
of the normalised Laplacian). Other suspects never take part, so that a verdict doesn't depend on
its batch-mates. Without references of both kinds it abstains, since a two-way split always accuses
somebody; it also abstains where the split does not keep the known references apart.
"""

import numpy as np
from numpy.typing import NDArray

from auditkit.core.arrays import BoolArray, IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.points import CORE
from auditkit.core.verdicts import Decision, Identification

__all__ = ["weigh_clusters"]

NAME = "clustering"
COMPARED = (ReferenceKind.HOMOLOGOUS, ReferenceKind.PIRATED)
FEWEST = 3
"""References of each kind."""


def weigh_clusters(
    fingerprint: Fingerprint, references: tuple[Reference, ...], evidence: Evidence
) -> Identification:
    """Split owner, references and suspect; say what all three clusterings agree on."""
    known = [r for r in references if r.kind in COMPARED and CORE in r.answers]
    pirated = np.array([r.kind.is_derived for r in known], bool)
    if min(pirated.sum(), (~pirated).sum()) < FEWEST:
        return Identification(
            NAME,
            None,
            f"needs {FEWEST} homologous and {FEWEST} pirated reference models, "
            f"has {int((~pirated).sum())} and {int(pirated.sum())}",
        )
    owner = fingerprint.families[CORE].labels
    labels = [owner, *(r.answers[CORE].labels for r in known), evidence.answers[CORE].labels]
    distances = _distances(np.stack(labels) == owner)
    splits = [split(distances) for split in (_hierarchical, _kmeans, _spectral)]
    votes = [_vote(split == split[0], pirated) for split in splits]
    value = float(np.mean([vote is Decision.PIRATED for vote in votes]))
    if None in votes or len(set(votes)) > 1:
        return Identification(NAME, None, "the three clusterings do not agree", value)
    says = votes[0]
    side = "with the owner" if says is Decision.PIRATED else "with the homologous references"
    return Identification(NAME, says, f"all three clusterings put the suspect {side}", value, 1.0)


def _vote(with_owner: BoolArray, pirated: BoolArray) -> Decision | None:
    """None where the split mixes what is known: then it says nothing about the suspect."""
    references = with_owner[1:-1]
    if not references[pirated].mean() > 0.5 or references[~pirated].any():
        return None
    return Decision.PIRATED if with_owner[-1] else Decision.HOMOLOGOUS


def _distances(matches: BoolArray) -> NDArray[np.float64]:
    """(models, points) -> (models, models): share of points on which two rows differ, 0..1."""
    differ: NDArray[np.float64] = (matches[:, None] != matches[None]).mean(axis=2)
    return differ


def _hierarchical(distances: NDArray[np.float64]) -> IntArray:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    tree = linkage(squareform(distances, checks=False), method="average")
    split: IntArray = fcluster(tree, 2, criterion="maxclust")
    return split


def _kmeans(distances: NDArray[np.float64]) -> IntArray:
    """On the rows of the distance matrix, from the owner's and the furthest model's."""
    from scipy.cluster.vq import kmeans2

    centres = distances[[0, int(distances[0].argmax())]]
    split: IntArray = kmeans2(distances, centres, minit="matrix", missing="warn")[1]
    return split


def _spectral(distances: NDArray[np.float64]) -> IntArray:
    affinity = np.exp(-((distances / max(float(np.median(distances)), 1e-9)) ** 2))
    root = 1 / np.sqrt(affinity.sum(axis=1))
    _, vectors = np.linalg.eigh(np.eye(len(affinity)) - root[:, None] * affinity * root)
    split: IntArray = (vectors[:, 1] * root > 0).astype(np.int64)
    return split
