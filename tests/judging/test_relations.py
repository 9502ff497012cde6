"""Identifications that compare a model's answers with each other, on answers of known truth."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine

from auditkit import api
from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Discrimination as Known
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind, SuspectRecord
from auditkit.core.plugins import load
from auditkit.core.points import CORE, Family, InputSpec
from auditkit.core.verdicts import Decision
from auditkit.files import bundle as bundles
from auditkit.judging import identification
from auditkit.judging.identification.correlation import weigh_correlations
from auditkit.judging.identification.decision_distance import weigh_decision_distances
from auditkit.judging.identification.mutual_information import weigh_information
from auditkit.judging.identification.relations import correlation
from tests.conftest import linear

RELATIONS = ["correlation", "decision_distance", "mutual_information"]
RECORD = SuspectRecord("s", None, "callable", {})
CLASSES, POINTS = 5, 40
permutations = st.permutations(range(CLASSES)).map(np.array)
labels = st.lists(st.integers(0, CLASSES - 1), min_size=POINTS, max_size=POINTS).map(np.array)


def rows(seed, classes=CLASSES, count=POINTS):
    """(count, classes) random logits."""
    return np.random.default_rng(seed).normal(size=(count, classes)).astype(np.float32)


OWNER = rows(0)


def log_probabilities(scores):
    """Of logits."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def fingerprint(lead, outputs=OWNER):
    """Points that only serve to have outputs."""
    core = Family(np.zeros((len(outputs), 2), np.float32), outputs)
    owner = OwnerRecord("owner", "sha256:0", Access.LOGITS, outputs.shape[1])
    spec = InputSpec((2,), (0.0,), (1.0,))
    return Fingerprint("m", {}, 0, spec, owner, {CORE: core}, Known.DISCRIMINATING, "", lead)


def evidence(answers, access=Access.LOGITS):
    """Answers to the core points alone."""
    classes = None if answers.scores is None else answers.scores.shape[1]
    return Evidence(RECORD, "sha256:0", access, classes, {CORE: answers})


def value(lead, scores, outputs=OWNER):
    """What an identification makes of these scores."""
    answers = Answers(scores.argmax(1), log_probabilities(scores))
    return load(identification, lead)(fingerprint(lead, outputs), (), evidence(answers)).value


def label_value(lead, given_labels, outputs=OWNER):
    """The same of labels alone."""
    found = evidence(Answers(given_labels), Access.LABEL)
    return load(identification, lead)(fingerprint(lead, outputs), (), found).value


@pytest.mark.parametrize("lead", RELATIONS)
def test_the_owner_itself_is_like_itself(lead):
    """Its own scores and its own labels give 1."""
    assert value(lead, OWNER) == pytest.approx(1.0, abs=1e-5)
    assert label_value(lead, OWNER.argmax(1)) == pytest.approx(1.0)


@pytest.mark.parametrize("lead", RELATIONS)
@given(order=permutations)
@settings(max_examples=10)
def test_what_classes_are_called_does_not_matter(lead, order):
    """A suspect whose classes are permuted is as like the owner as before."""
    suspect = rows(1)
    assert value(lead, suspect[:, order]) == pytest.approx(value(lead, suspect), abs=1e-5)
    renamed = label_value(lead, order[suspect.argmax(1)])
    assert renamed == pytest.approx(label_value(lead, suspect.argmax(1)))


@pytest.mark.parametrize("lead", RELATIONS)
def test_unanswered_points_are_left_out(lead):
    """A suspect that skips some points is weighed as on a fingerprint without them."""
    suspect, skipped = rows(1), np.array([2, 3, 10, 11, 38, 39])
    scores, given_labels = log_probabilities(suspect), suspect.argmax(1)
    scores[skipped], given_labels[skipped] = np.nan, -1
    kept = np.setdiff1d(np.arange(POINTS), skipped)
    found = evidence(Answers(given_labels, scores))
    partial = load(identification, lead)(fingerprint(lead), (), found).value
    assert partial == pytest.approx(value(lead, suspect[kept], OWNER[kept]), abs=1e-6)


@pytest.mark.parametrize("lead", RELATIONS)
@pytest.mark.parametrize("classes", [2, 7, 300])
def test_another_label_space_is_weighed(lead, classes):
    """Whatever number of classes a suspect knows, there is a value between 0 and 1."""
    suspect = rows(1, classes)
    assert 0 <= value(lead, suspect) <= 1
    assert 0 <= label_value(lead, suspect.argmax(1)) <= 1


@pytest.mark.parametrize("lead", RELATIONS)
def test_no_verdict_without_reference_models(lead, bundle):
    """Even the owner itself stays inconclusive: the papers have no threshold to go by."""
    made = dataclasses.replace(bundle.fingerprint, lead=lead)
    changed = bundles.Bundle(made, bundle.references, bundle.versions, bundle.created)
    answers = {
        name: Answers(family.labels, log_probabilities(family.outputs))
        for name, family in made.families.items()
    }
    own = Evidence(RECORD, changed.digest, Access.LOGITS, made.owner.classes, answers)
    verdict = api.judge(changed, own)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "reference models" in verdict.reason
    opinion = next(i for i in verdict.identifications if i.name == lead)
    assert opinion.value == pytest.approx(1.0, abs=1e-5)


def test_correlation_is_the_mean_difference_of_the_matrices():
    """The value equals scipy's cosines of centred rows, pair by pair."""
    suspect = rows(1)

    def matrix(scores):
        centred = scores - scores.mean(axis=1, keepdims=True)
        return np.array([[cosine(a, b) / 2 for b in centred] for a in centred])

    expected = 1 - np.abs(matrix(suspect) - matrix(OWNER)).mean()
    assert value("correlation", suspect) == pytest.approx(expected, abs=1e-4)


def test_correlation_of_labels_is_the_papers():
    """One-hot rows of 0.01 and 1, softened, correlated as SAC's code does."""

    def matrix(given_labels):
        soft = np.exp(np.where(np.eye(CLASSES)[given_labels] == 1, 1, 0.01))
        soft /= np.linalg.norm(soft, axis=1, keepdims=True)
        return (1 - soft @ soft.T) / 2

    suspect = rows(1).argmax(1)
    expected = 1 - np.abs(matrix(suspect) - matrix(OWNER.argmax(1))).mean()
    assert label_value("correlation", suspect) == pytest.approx(expected)


def test_one_point_has_no_correlation():
    """A suspect that answers a single point is abstained on."""
    lonely = np.full(POINTS, -1)
    lonely[0] = 1
    found = weigh_correlations(
        fingerprint("correlation"), (), evidence(Answers(lonely), Access.LABEL)
    )
    assert (found.value, found.says) == (None, None)


def test_decision_distance_is_the_cosine_of_the_vectors():
    """The value equals scipy's, pair by pair; an odd last point is left out."""
    suspect = rows(1)

    def vector(scores):
        likely = np.exp(log_probabilities(scores))
        return [cosine(a, b) for a, b in zip(likely[::2], likely[1::2], strict=False)]

    expected = 1 - cosine(vector(suspect[:-1]), vector(OWNER[:-1]))
    assert value("decision_distance", suspect[:-1], OWNER[:-1]) == pytest.approx(expected, abs=1e-4)


@given(st.permutations(range(POINTS // 2)))
@settings(max_examples=20)
def test_decision_distance_ignores_the_order_of_pairs(order):
    """Pairs permuted, and the two points of each swapped, give the same value."""
    suspect = rows(1)
    points = (2 * np.array(order)[:, None] + [1, 0]).ravel()
    changed = value("decision_distance", suspect[points], OWNER[points])
    assert changed == pytest.approx(value("decision_distance", suspect), abs=1e-6)


def test_decision_distance_of_labels_is_that_of_changes():
    """Of five pairs the owner changes on two, the suspect on one of those and another one."""
    owner = np.eye(CLASSES, dtype=np.float32)[[0, 1, 0, 1, 2, 2, 3, 3, 0, 0]]
    suspect = np.array([4, 0, 1, 1, 2, 1, 3, 3, 0, 0])
    assert label_value("decision_distance", suspect, owner) == pytest.approx(0.5)


def test_decision_distance_needs_both_points_of_a_pair():
    """A pair of which one point was not answered counts as little as one of which none was."""
    owner = np.eye(CLASSES, dtype=np.float32)[[0, 1, 0, 1, 2, 2, 3, 3]]
    suspect = np.array([0, 1, 0, -1, -1, 2, 3, 3])
    assert label_value("decision_distance", suspect, owner) == pytest.approx(1.0)
    suspect = np.array([0, 1, 0, -1, 2, -1, -1, 2])
    assert label_value("decision_distance", suspect, owner) == pytest.approx(1.0)


def test_decision_distance_of_what_is_not_moved():
    """A suspect that is never moved is unlike the owner; of such an owner nothing is said."""
    still = np.eye(CLASSES, dtype=np.float32)[np.zeros(8, int)]
    assert label_value("decision_distance", np.zeros(POINTS, int)) == 0
    found = evidence(Answers(np.zeros(8, int)), Access.LABEL)
    opinion = weigh_decision_distances(fingerprint("decision_distance", still), (), found)
    assert (opinion.value, opinion.says) == (None, None)


@given(labels, labels)
@settings(max_examples=50)
def test_mutual_information_is_symmetric(first, second):
    """Whose labels are whose doesn't matter, and the value lies between 0 and 1."""
    one, other = (
        np.eye(CLASSES, dtype=np.float32)[given_labels] for given_labels in (first, second)
    )
    there = label_value("mutual_information", second, one)
    assert there == pytest.approx(label_value("mutual_information", first, other), abs=1e-9)
    assert 0 <= there <= 1


def test_mutual_information_of_independent_labels_is_nearly_none():
    """Of 4,000 points answered at random little is shared."""
    owner = rows(0, count=4000)
    assert label_value("mutual_information", rows(1, count=4000).argmax(1), owner) < 0.01


def test_mutual_information_of_merged_classes_is_whole():
    """A suspect that merges two of the owner's classes tells all it knows."""
    merged = np.where(OWNER.argmax(1) == 4, 3, OWNER.argmax(1))
    assert label_value("mutual_information", merged) == pytest.approx(1.0)


def test_constant_labels_tell_nothing():
    """One label for everything gives 0, even where the owner does the same."""
    constant = np.eye(CLASSES, dtype=np.float32)[np.zeros(POINTS, int)]
    assert label_value("mutual_information", constant.argmax(1)) == 0
    assert label_value("mutual_information", constant.argmax(1), constant) == 0
    nothing = evidence(Answers(np.full(POINTS, -1)), Access.LABEL)
    assert weigh_information(fingerprint("mutual_information"), (), nothing).value is None


@given(st.integers(0, 50), st.integers(2, 7))
def test_relations_are_pearsons_correlation_of_likenesses(seed, classes):
    """Against numpy and scipy: cosines of centred scores, pair by pair, whatever the classes."""
    scores = log_probabilities(rows(seed, classes)).astype(np.float32)
    family = Family(np.zeros((POINTS, 4), np.float32), OWNER)
    found = correlation(family, Answers(scores.argmax(1), scores), labels_only=False)
    pairs = list(itertools.combinations(range(POINTS), 2))
    owner, suspect = (
        [1 - cosine(one[i] - one[i].mean(), one[j] - one[j].mean()) for i, j in pairs]
        for one in (log_probabilities(OWNER), scores)
    )
    assert found == pytest.approx(np.corrcoef(owner, suspect)[0, 1], abs=1e-4)


@given(permutations, labels)
def test_relations_by_labels_ignore_names(order, given_labels):
    """Renaming classes changes nothing; who answers as the owner does is correlated 1."""
    family = Family(np.zeros((POINTS, 4), np.float32), OWNER)
    renamed = Answers(order[given_labels])
    plain = Answers(given_labels)
    assert correlation(family, plain, labels_only=True) == correlation(
        family, renamed, labels_only=True
    )
    own = correlation(family, Answers(order[family.labels]), labels_only=True)
    assert own == pytest.approx(1.0)


def test_relations_speak_of_other_label_spaces_alone(bundle):
    """Of the owner's label space they say nothing; of another they abstain with a value."""
    weigh = load(identification, "relations")
    scores = log_probabilities(rows(3, CLASSES + 2, 100)).astype(np.float32)
    said = Evidence(
        RECORD, "", Access.LOGITS, CLASSES + 2, {CORE: Answers(scores.argmax(1), scores)}
    )
    opinion = weigh(bundle.fingerprint, (), said)
    assert opinion.says is None
    assert -1 <= opinion.value <= 1
    same = dataclasses.replace(said, classes=None, answers={CORE: Answers(scores.argmax(1) % 5)})
    assert weigh(bundle.fingerprint, (), same) is None


def test_relations_rank_among_references_of_other_label_spaces(bundle):
    """Only those count; how many of each kind come as close is told."""
    near = log_probabilities(np.repeat(linear(bundle.fingerprint.families[CORE].points), 2, axis=1))
    far = log_probabilities(rows(5, 7, 100))
    kinds = ((ReferenceKind.PIRATED, near), (ReferenceKind.HOMOLOGOUS, far))
    references = tuple(
        Reference(
            str(kind), kind, str(kind), Access.LOGITS,
            {CORE: Answers(scores.argmax(1), scores.astype(np.float32))},
        )
        for kind, scores in kinds
    )  # fmt: skip
    middle = (near + 3 * log_probabilities(rows(6, 10, 100))).astype(np.float32)
    middle = log_probabilities(middle).astype(np.float32)
    said = Evidence(RECORD, "", Access.LOGITS, 10, {CORE: Answers(middle.argmax(1), middle)})
    opinion = load(identification, "relations")(bundle.fingerprint, references, said)
    assert "0 of 1 independent ones and 1 of 1 pirated ones come as close" in opinion.reason
