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


@pytest.fixture(scope="module")
def alone(bundle):
    """The owner's core points without its controls and references."""
    sheet = bundle.fingerprint.sheet.cut({CORE: 100}).sheet
    made = dataclasses.replace(bundle.fingerprint, sheet=sheet)
    return dataclasses.replace(bundle, fingerprint=made, references=())


def evidence(labels, scores=None):
    """Answers to the core points alone."""
    classes = None if scores is None else scores.shape[1]
    access = Access.LABEL if scores is None else Access.LOGITS
    return Evidence(RECORD, "sha256:0", Answers(labels, scores, access), classes)


@given(st.permutations(range(100)))
@settings(max_examples=20)
def test_label_similarity_ignores_the_order_of_points(alone, order):
    """Points permuted together with their answers give the same share."""
    sheet = alone.fingerprint.sheet
    labels = sheet.labels.copy()
    labels[:37] = (labels[:37] + 1) % 5
    rows = np.array(order)
    permuted = dataclasses.replace(sheet, points=sheet.points[rows], outputs=sheet.outputs[rows])
    made = dataclasses.replace(alone.fingerprint, sheet=permuted)
    other = dataclasses.replace(alone, fingerprint=made)
    assert label_similarity.weigh_labels(other, evidence(labels[rows])).value == 0.63


def test_label_similarity_is_the_share(alone):
    """53 of 100 matching labels is 0.53, and homologous."""
    labels = alone.fingerprint.sheet.labels.copy()
    labels[:47] = (labels[:47] + 1) % 5
    found = label_similarity.weigh_labels(alone, evidence(labels))
    assert (found.value, found.says) == (0.53, Decision.HOMOLOGOUS)


def test_label_similarity_is_of_core_points_alone(bundle):
    """Whatever a suspect answers to the other families, its share is that of core points."""
    sheet = bundle.fingerprint.sheet
    labels = np.where(sheet.rows(CORE), sheet.labels, (sheet.labels + 1) % 5)
    plain = dataclasses.replace(bundle, references=())
    assert label_similarity.weigh_labels(plain, evidence(labels)).value == 1


def test_robust_points_take_more_agreement(alone):
    """88 of 100 accuse on plain points, and not on points that survive the way to an API."""
    made = alone.fingerprint
    labels = made.sheet.labels.copy()
    labels[:12] = (labels[:12] + 1) % 5
    other = dataclasses.replace(made, parameters={"recipe": {"robust": ["jpeg"]}})
    robust = dataclasses.replace(alone, fingerprint=other)
    says = [label_similarity.weigh_labels(one, evidence(labels)).says for one in (alone, robust)]
    assert says == [Decision.PIRATED, Decision.INCONCLUSIVE]


def test_output_similarity_is_the_mean_cosine(alone):
    """The value equals scipy's cosine of centred rows, point by point."""
    outputs = alone.fingerprint.sheet.outputs
    scores = logits_of(np.random.default_rng(5).normal(size=outputs.shape)).astype("f4")
    found = output_similarity.weigh_outputs(alone, evidence(scores.argmax(1), scores))
    owner = np.maximum(logits_of(outputs.astype("f8")), np.log(1e-7))
    expected = np.mean(
        [1 - cosine(a - a.mean(), b - b.mean()) for a, b in zip(owner, scores, strict=True)]
    )
    assert found.value == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.5])
def test_output_similarity_ignores_temperature(alone, temperature):
    """A copy that sharpens or softens its scores is as alike as before."""
    sheet = alone.fingerprint.sheet
    scores = logits_of(sheet.outputs / temperature).astype("f4")
    found = output_similarity.weigh_outputs(alone, evidence(sheet.labels, scores))
    assert found.value == pytest.approx(1, abs=0.02)
    assert found.says is Decision.PIRATED


def test_output_similarity_abstains_on_labels(alone):
    """Without scores there is nothing to compare."""
    labels = alone.fingerprint.sheet.labels
    found = output_similarity.weigh_outputs(alone, evidence(labels))
    assert (found.says, found.value) == (None, None)


def knowing(bundle, copies, twins, seed=0):
    """The bundle with known models: copies agree on 95 %, strangers on 20 %."""
    owner = bundle.fingerprint.sheet.labels
    rng = np.random.default_rng(seed)
    shares = [(ReferenceKind.MEASURED_COPY, 0.95)] * copies + [(ReferenceKind.TWIN, 0.2)] * twins
    known = tuple(
        Reference(
            str(number),
            kind,
            f"sha256:{number}",
            Answers(np.where(rng.random(100) < share, owner, (owner + 1) % 5)),
        )
        for number, (kind, share) in enumerate(shares)
    )
    return dataclasses.replace(bundle, references=known)


@pytest.mark.parametrize(("share", "says"), [(1.0, Decision.PIRATED), (0.1, Decision.HOMOLOGOUS)])
def test_clustering_takes_the_side_of_known_models(alone, share, says):
    """With twins and measured copies, all three clusterings agree on clear cases."""
    owner = alone.fingerprint.sheet.labels
    labels = np.where(np.arange(100) < 100 * share, owner, (owner + 1) % 5)
    found = clustering.weigh_clusters(knowing(alone, 5, 5), evidence(labels))
    assert found.says is says


@pytest.mark.parametrize(("copies", "twins"), [(0, 0), (5, 0), (0, 5), (2, 3)])
def test_clustering_abstains_without_known_models(alone, copies, twins):
    """A two-way split of unknown models would always accuse somebody."""
    labels = alone.fingerprint.sheet.labels
    found = clustering.weigh_clusters(knowing(alone, copies, twins), evidence(labels))
    assert found.says is None


def test_clustering_abstains_when_it_mixes_what_is_known(alone):
    """A split that puts a known innocent with the owner tells nothing."""
    made, owner = knowing(alone, 4, 4), alone.fingerprint.sheet.labels
    odd = dataclasses.replace(made.references[-1], answers=Answers(owner))
    mixed = dataclasses.replace(made, references=(*made.references[:-1], odd))
    found = clustering.weigh_clusters(mixed, evidence(owner))
    assert found.says is None


def test_broken_copies_are_not_known_to_clustering(alone):
    """Nobody uses them, so they count for neither side."""
    made, owner = knowing(alone, 3, 3), alone.fingerprint.sheet.labels
    broken = dataclasses.replace(made.references[0], recipe={"broken": True})
    less = dataclasses.replace(made, references=(broken, *made.references[1:]))
    found = clustering.weigh_clusters(less, evidence(owner))
    assert dict(found.reason.facts) == {"needed": 3, "twins": 3, "copies": 2}
