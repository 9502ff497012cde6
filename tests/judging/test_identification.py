"""The three identifications on answers whose truth is known."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence
from auditkit.core.models import Reference, ReferenceKind, SuspectRecord
from auditkit.core.points import CORE
from auditkit.core.verdicts import Decision
from auditkit.judging.identification import clustering, label_similarity, output_similarity

RECORD = SuspectRecord("s", None, "callable", {})


def logits_of(scores):
    """Log-probabilities of logits."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def evidence(labels, scores=None, access=Access.LABEL):
    """Answers to the core points alone."""
    classes = None if scores is None else scores.shape[1]
    return Evidence(RECORD, "sha256:0", access, classes, {CORE: Answers(labels, scores)})


@given(st.permutations(range(100)))
@settings(max_examples=20)
def test_label_similarity_ignores_the_order_of_points(bundle, bundle_order):
    """Points permuted together with their answers give the same share."""
    made, order = bundle.fingerprint, np.array(bundle_order)
    family = made.families[CORE]
    labels = family.labels.copy()
    labels[:37] = (labels[:37] + 1) % 5
    permuted = dataclasses.replace(
        family, points=family.points[order], outputs=family.outputs[order]
    )
    other = dataclasses.replace(made, families={CORE: permuted})
    assert label_similarity.weigh_labels(other, (), evidence(labels[order])).value == 0.63


def test_label_similarity_is_the_share(bundle):
    """53 of 100 matching labels is 0.53, and homologous."""
    family = bundle.fingerprint.families[CORE]
    labels = family.labels.copy()
    labels[:47] = (labels[:47] + 1) % 5
    found = label_similarity.weigh_labels(bundle.fingerprint, (), evidence(labels))
    assert (found.value, found.says) == (0.53, Decision.HOMOLOGOUS)


def test_robust_points_take_more_agreement(bundle):
    """88 of 100 accuse on plain points, and not on points that survive the way to an API."""
    made = bundle.fingerprint
    labels = made.families[CORE].labels.copy()
    labels[:12] = (labels[:12] + 1) % 5
    robust = dataclasses.replace(made, parameters={**made.parameters, "robust": ["jpeg"]})
    says = [label_similarity.weigh_labels(one, (), evidence(labels)).says for one in (made, robust)]
    assert says == [Decision.PIRATED, Decision.INCONCLUSIVE]


def test_output_similarity_is_the_mean_cosine(bundle):
    """The value equals scipy's cosine of centred rows, point by point."""
    family = bundle.fingerprint.families[CORE]
    scores = logits_of(np.random.default_rng(5).normal(size=family.outputs.shape)).astype("f4")
    found = output_similarity.weigh_outputs(
        bundle.fingerprint, (), evidence(scores.argmax(1), scores, Access.LOGITS)
    )
    owner = np.maximum(logits_of(family.outputs.astype("f8")), np.log(1e-7))
    expected = np.mean(
        [1 - cosine(a - a.mean(), b - b.mean()) for a, b in zip(owner, scores, strict=True)]
    )
    assert found.value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.5])
def test_output_similarity_ignores_temperature(bundle, temperature):
    """A copy that sharpens or softens its scores is as alike as before."""
    family = bundle.fingerprint.families[CORE]
    scores = logits_of(family.outputs / temperature).astype("f4")
    found = output_similarity.weigh_outputs(
        bundle.fingerprint, (), evidence(family.labels, scores, Access.LOGITS)
    )
    assert found.value == pytest.approx(1, abs=0.02)
    assert found.says is Decision.PIRATED


def test_output_similarity_abstains_on_labels(bundle):
    """Without scores there is nothing to compare."""
    labels = bundle.fingerprint.families[CORE].labels
    found = output_similarity.weigh_outputs(bundle.fingerprint, (), evidence(labels))
    assert (found.says, found.value) == (None, None)


def references(bundle, pirated, homologous, seed=0):
    """Known models: copies agree on 95 %, strangers on 20 %."""
    owner = bundle.fingerprint.families[CORE].labels
    rng = np.random.default_rng(seed)
    shares = [(ReferenceKind.PIRATED, 0.95)] * pirated + [
        (ReferenceKind.HOMOLOGOUS, 0.2)
    ] * homologous
    return tuple(
        Reference(
            str(number),
            kind,
            f"sha256:{number}",
            Access.LABEL,
            {CORE: Answers(np.where(rng.random(100) < share, owner, (owner + 1) % 5))},
        )
        for number, (kind, share) in enumerate(shares)
    )


@pytest.mark.parametrize(("share", "says"), [(1.0, Decision.PIRATED), (0.1, Decision.HOMOLOGOUS)])
def test_clustering_takes_the_side_of_known_models(bundle, share, says):
    """With references of both kinds, all three clusterings agree on clear cases."""
    owner = bundle.fingerprint.families[CORE].labels
    labels = np.where(np.arange(100) < 100 * share, owner, (owner + 1) % 5)
    found = clustering.weigh_clusters(
        bundle.fingerprint, references(bundle, 5, 5), evidence(labels)
    )
    assert found.says is says


@pytest.mark.parametrize(("pirated", "homologous"), [(0, 0), (5, 0), (0, 5), (2, 3)])
def test_clustering_abstains_without_references(bundle, pirated, homologous):
    """A two-way split of unknown models would always accuse somebody."""
    labels = bundle.fingerprint.families[CORE].labels
    known = references(bundle, pirated, homologous)
    found = clustering.weigh_clusters(bundle.fingerprint, known, evidence(labels))
    assert found.says is None


def test_clustering_abstains_when_it_mixes_what_is_known(bundle):
    """A split that puts a known innocent with the owner tells nothing."""
    known = references(bundle, 4, 4)
    owner = bundle.fingerprint.families[CORE].labels
    odd = dataclasses.replace(known[-1], answers={CORE: Answers(owner)})
    found = clustering.weigh_clusters(bundle.fingerprint, (*known[:-1], odd), evidence(owner))
    assert found.says is None
