"""Weights without twins: they accuse where the owner was trained from scratch, and acquit alone."""

from dataclasses import replace

import numpy as np
import pytest

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence, SeenWeights
from auditkit.core.fingerprint import OwnWeights
from auditkit.core.models import SuspectRecord
from auditkit.core.verdicts import Decision, ReasonCode
from auditkit.core.weights import layers, sketch
from auditkit.judging.judge import judge
from tests.conftest import CLASSES, STRANGER, WEIGHTS, said_by

ALIKE = SeenWeights((0.9,), 2e-4, 1.0)
UNLIKE = SeenWeights((0.01,), 0.6, 1.0)
SKETCH = sketch(layers([("w", np.random.default_rng(0).normal(size=(16, 64)))]), 0)


def weighed(bundle, *, from_scratch):
    """The bundle of an owner whose weights are kept, and who may have had an ancestor."""
    own = OwnWeights(SKETCH, 0.8, from_scratch)
    made = replace(bundle.fingerprint, weights=own)
    named = (*made.speaking, "weights")
    return replace(bundle, fingerprint=replace(made, identifications=named))


def verdict(bundle, model, seen, classes=CLASSES):
    """What is said of a file that answers like a linear model."""
    answers = said_by(bundle.fingerprint.sheet.points, model)
    if classes != CLASSES:
        answers = Answers(answers.labels)
    suspect = SuspectRecord("s.onnx", None, "onnx", {})
    return judge(bundle, Evidence(suspect, bundle.digest, answers, classes, weights=seen))


@pytest.mark.parametrize("classes", [CLASSES, CLASSES + 2])
def test_alike_weights_accuse_in_any_label_space(bundle, classes):
    """A file that answers otherwise is pirated by its weights, whatever classes it knows."""
    found = verdict(weighed(bundle, from_scratch=True), STRANGER, ALIKE, classes)
    assert found.decision is Decision.PIRATED
    assert found.reason.code == ReasonCode.WEIGHTS_ALIKE


def test_a_small_chance_accuses_nobody_who_is_unlike(bundle):
    """Of a thousand independent models one has so small a chance; copies are alike by far more."""
    rare = replace(UNLIKE, chance=6e-4)
    found = verdict(weighed(bundle, from_scratch=True), STRANGER, rare)
    assert found.decision is not Decision.PIRATED


def test_a_possible_ancestor_makes_alike_weights_no_proof(bundle):
    """Without the owner's word innocents of one ancestor would be accused."""
    found = verdict(weighed(bundle, from_scratch=False), STRANGER, ALIKE)
    assert found.decision is Decision.INCONCLUSIVE


def test_unlike_weights_acquit_of_what_they_exclude(bundle):
    """A stranger's file is cleared of being made from the weights, and the reason says no more."""
    found = verdict(weighed(bundle, from_scratch=True), STRANGER, UNLIKE)
    assert found.decision is Decision.HOMOLOGOUS
    assert found.reason.code == ReasonCode.WEIGHTS_UNLIKE


def test_nobody_is_cleared_whom_core_points_accuse(bundle):
    """Weights can be hidden; answers like the owner's keep their verdict."""
    found = verdict(weighed(bundle, from_scratch=True), WEIGHTS, UNLIKE)
    assert found.decision is not Decision.HOMOLOGOUS


@pytest.mark.parametrize(
    "seen",
    [replace(UNLIKE, shared=0.2), replace(UNLIKE, chance=0.01), replace(UNLIKE, likeness=(0.5,))],
)
def test_little_that_is_comparable_acquits_nobody(bundle, seen):
    """Few common shapes, a doubtful chance or half a likeness tell too little."""
    found = verdict(weighed(bundle, from_scratch=True), STRANGER, seen)
    assert found.decision is Decision.INCONCLUSIVE


@pytest.mark.parametrize(("compared", "cleared"), [(0.5, False), (0.51, True)])
def test_room_for_other_weights_acquits_nobody(bundle, compared, cleared):
    """A file that holds as many numbers again may answer by those: its weights don't clear it."""
    seen = replace(UNLIKE, compared=compared)
    found = verdict(weighed(bundle, from_scratch=True), STRANGER, seen)
    assert (found.decision is Decision.HOMOLOGOUS) == cleared
    opinion = next(one for one in found.identifications if one.name == "weights")
    assert cleared or opinion.reason.code == ReasonCode.WEIGHTS_BESIDE


def test_answers_are_still_needed(bundle):
    """A file that leaves out its answers is not judged by its weights alone."""
    made = weighed(bundle, from_scratch=True)
    silent = Answers(np.full(len(made.fingerprint.sheet), -1))
    suspect = SuspectRecord("s.onnx", None, "onnx", {})
    found = judge(made, Evidence(suspect, made.digest, silent, None, weights=ALIKE))
    assert found.reason.code == ReasonCode.FEW_ANSWERS
    assert Access.LABEL is found.access
