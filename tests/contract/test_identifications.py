"""One battery for every identification: total on whatever a suspect may have answered."""

import dataclasses
import math

import numpy as np
import pytest

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence
from auditkit.core.models import SuspectRecord
from auditkit.core.plugins import load, names
from auditkit.core.verdicts import Decision, Identification
from auditkit.judging import identification
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


@pytest.fixture
def led(weigh, bundle):
    """The bundle's fingerprint, as a method makes it whose points this identification weighs."""
    return dataclasses.replace(bundle.fingerprint, lead=file_name(weigh))


def file_name(weigh):
    """Of the file that holds it, which is what it is called everywhere."""
    return weigh.__module__.rpartition(".")[2]


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize("classes", [2, CLASSES, CLASSES + 3])
@pytest.mark.parametrize("answered", [0.0, 0.5, 1.0])
def test_every_answer_is_weighed(weigh, led, bundle, access, classes, answered):
    """Any access, any label space, any number of answers gives an opinion or an abstention."""
    opinion = weigh(led, bundle.references, evidence(bundle, classes, access, answered))
    assert isinstance(opinion, Identification)
    assert opinion.reason
    assert "\n" not in opinion.reason
    assert opinion.value is None or math.isfinite(opinion.value)
    assert opinion.says is not Decision.PIRATED


def test_only_who_leads_must_speak(weigh, led, bundle):
    """About another's points an identification may say nothing at all, about its own never."""
    answers = evidence(bundle, CLASSES, Access.LABEL)
    others = dataclasses.replace(led, lead="another")
    opinion = weigh(others, bundle.references, answers)
    assert opinion is None or opinion.name == file_name(weigh)
    assert weigh(led, bundle.references, answers) is not None


def test_the_owner_itself_is_never_called_homologous(weigh, led, bundle):
    """Its own answers look pirated, or are not weighed."""
    families = bundle.fingerprint.families
    rows = {name: linear(family.points) for name, family in families.items()}
    answers = {name: Answers(scores.argmax(1), scores) for name, scores in rows.items()}
    own = Evidence(RECORD, bundle.digest, Access.LOGITS, CLASSES, answers)
    assert weigh(led, bundle.references, own).says in (Decision.PIRATED, None)


def test_the_name_is_the_files(weigh, led, bundle):
    """Who reads a report finds the file that said it."""
    opinion = weigh(led, bundle.references, evidence(bundle, CLASSES, Access.LOGITS))
    assert opinion.name == file_name(weigh)


def test_references_that_answered_less_are_no_obstacle(weigh, led, bundle):
    """A reference without answers to a family is passed over."""
    silent = tuple(dataclasses.replace(r, answers={}) for r in bundle.references)
    opinion = weigh(led, silent, evidence(bundle, CLASSES, Access.LOGITS))
    assert opinion.value is None or math.isfinite(opinion.value)
