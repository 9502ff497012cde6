"""One battery for every identification: total on whatever a suspect may have answered."""

import dataclasses
import math

import numpy as np
import pytest

from auditkit import identification
from auditkit.registry import load, names
from auditkit.types import Access, Answers, Decision, Evidence, Identification, SuspectRecord
from tests.conftest import CLASSES, linear

RECORD = SuspectRecord("suspect", None, "callable", {})


def evidence(bundle, classes, access, answered=1.0):
    """Random answers of so many classes to every point; a share of them unanswered."""
    rng = np.random.default_rng(0)
    answers = {}
    for name, family in bundle.fingerprint.families.items():
        scores = rng.normal(size=(len(family), classes)).astype(np.float32)
        labels = np.where(rng.uniform(size=len(family)) < answered, scores.argmax(1), -1)
        answers[name] = Answers(labels, None if access is Access.LABEL else scores)
    return Evidence(RECORD, bundle.digest, access, classes, answers)


@pytest.fixture(params=names(identification))
def weigh(request):
    """Every way to weigh."""
    return load(identification, request.param)


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize("classes", [2, CLASSES, CLASSES + 3])
@pytest.mark.parametrize("answered", [0.0, 0.5, 1.0])
def test_every_answer_is_weighed(weigh, bundle, access, classes, answered):
    """Any access, any label space, any number of answers gives an opinion or an abstention."""
    opinion = weigh(
        bundle.fingerprint, bundle.references, evidence(bundle, classes, access, answered)
    )
    assert isinstance(opinion, Identification)
    assert opinion.reason
    assert "\n" not in opinion.reason
    assert opinion.says is not Decision.PIRATED


def test_the_owner_itself_is_never_called_homologous(weigh, bundle):
    """Its own answers look pirated, or are not weighed."""
    families = bundle.fingerprint.families
    rows = {name: linear(family.points) for name, family in families.items()}
    answers = {name: Answers(scores.argmax(1), scores) for name, scores in rows.items()}
    own = Evidence(RECORD, bundle.digest, Access.LOGITS, CLASSES, answers)
    assert weigh(bundle.fingerprint, bundle.references, own).says in (Decision.PIRATED, None)


def test_the_name_is_the_files(weigh, bundle):
    """Who reads a report finds the file that said it."""
    opinion = weigh(bundle.fingerprint, bundle.references, evidence(bundle, CLASSES, Access.LOGITS))
    assert opinion.name == weigh.__module__.rpartition(".")[2]


def test_references_that_answered_less_are_no_obstacle(weigh, bundle):
    """A reference without answers to a family is passed over."""
    silent = tuple(dataclasses.replace(r, answers={}) for r in bundle.references)
    opinion = weigh(bundle.fingerprint, silent, evidence(bundle, CLASSES, Access.LOGITS))
    assert opinion.value is None or math.isfinite(opinion.value)
