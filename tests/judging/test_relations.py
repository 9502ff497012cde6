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
from auditkit.core.models import OwnerRecord, SuspectRecord
from auditkit.core.plugins import load
from auditkit.core.points import CORE, Family, InputSpec, Sheet
from auditkit.core.verdicts import Decision
from auditkit.files.bundle import Bundle
from auditkit.judging import identification
from auditkit.judging.identification.relations import correlation
from auditkit.reports.wording import sentence

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


def sheet_of(outputs):
    """Points that only serve to have outputs."""
    points = np.random.default_rng(9).random((len(outputs), 2)).astype(np.float32)
    return Sheet.of({CORE: Family(points, outputs)})


def bundle_of(lead, outputs=OWNER):
    """Such points as a bundle."""
    owner = OwnerRecord("owner", "sha256:0", Access.LOGITS, outputs.shape[1])
    spec, sheet = InputSpec((2,), (0.0,), (1.0,)), sheet_of(outputs)
    return Bundle(Fingerprint("m", {}, 0, spec, owner, sheet, Known.DISCRIMINATING, "", lead))


def scored(scores):
    """All that a model with these scores says."""
    return Answers(scores.argmax(1), log_probabilities(scores), Access.LOGITS)


def evidence(bundle, filed):
    """Answers to the core points as the bundle's file lists them."""
    return Evidence(RECORD, "sha256:0", filed.at(bundle.fingerprint.sheet.places), filed.classes)


def weighed(lead, filed, outputs=OWNER):
    """What an identification makes of answers to points as the bundle's file lists them."""
    made = bundle_of(lead, outputs)
    return load(identification, lead)(made, evidence(made, filed))


def value(lead, scores, outputs=OWNER):
    """What an identification makes of these scores."""
    return weighed(lead, scored(scores), outputs).value


def label_value(lead, given_labels, outputs=OWNER):
    """The same of labels alone."""
    return weighed(lead, Answers(given_labels), outputs).value


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
    partial = weighed(lead, Answers(given_labels, scores, Access.LOGITS)).value
    assert partial == pytest.approx(value(lead, suspect[kept], OWNER[kept]), abs=1e-6)


@pytest.mark.parametrize("lead", RELATIONS)
@pytest.mark.parametrize("classes", [2, 7, 300])
def test_another_label_space_is_weighed(lead, classes):
    """Whatever number of classes a suspect knows, there is a value between 0 and 1."""
    suspect = rows(1, classes)
    assert 0 <= value(lead, suspect) <= 1
    assert 0 <= label_value(lead, suspect.argmax(1)) <= 1


@pytest.mark.parametrize("lead", RELATIONS)
def test_no_verdict_without_twins(lead, bundle):
    """Even the owner itself stays inconclusive: the papers have no threshold to go by."""
    made = dataclasses.replace(bundle.fingerprint, lead=lead)
    changed = dataclasses.replace(bundle, fingerprint=made)
    own = Evidence(RECORD, changed.digest, scored(made.sheet.outputs), made.owner.classes)
    verdict = api.judge(changed, own)
    assert verdict.decision is Decision.INCONCLUSIVE
    assert "only twins tell" in sentence(verdict.reason)
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
    found = weighed("correlation", Answers(lonely))
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
    opinion = weighed("decision_distance", Answers(np.zeros(8, int)), still)
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
    assert weighed("mutual_information", Answers(np.full(POINTS, -1))).value is None


@given(st.integers(0, 50), st.integers(2, 7))
def test_relations_are_pearsons_correlation_of_likenesses(seed, classes):
    """Against numpy and scipy: cosines of centred scores, pair by pair, whatever the classes."""
    sheet, said = sheet_of(OWNER), scored(rows(seed, classes))
    found = correlation(sheet, said)
    pairs = list(itertools.combinations(range(POINTS), 2))
    owner, suspect = (
        [1 - cosine(one[i] - one[i].mean(), one[j] - one[j].mean()) for i, j in pairs]
        for one in (log_probabilities(sheet.outputs), said.scores)
    )
    assert found == pytest.approx(np.corrcoef(owner, suspect)[0, 1], abs=1e-4)


@given(permutations, labels)
def test_relations_by_labels_ignore_names(order, given_labels):
    """Renaming classes changes nothing; who answers as the owner does is correlated 1."""
    sheet = sheet_of(OWNER)
    plain, renamed = Answers(given_labels), Answers(order[given_labels])
    assert correlation(sheet, plain) == correlation(sheet, renamed)
    own = correlation(sheet, Answers(order[sheet.labels]))
    assert own == pytest.approx(1.0)


def test_relations_speak_of_other_label_spaces_alone(bundle):
    """Of the owner's label space they say nothing; of another they abstain with a value."""
    weigh = load(identification, "relations")
    other = scored(rows(3, CLASSES + 2, len(bundle.fingerprint.sheet)))
    opinion = weigh(bundle, Evidence(RECORD, "", other, CLASSES + 2))
    assert opinion.says is None
    assert -1 <= opinion.value <= 1
    assert weigh(bundle, Evidence(RECORD, "", Answers(other.labels % 5), None)) is None
