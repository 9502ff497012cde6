"""One battery for every identification: total on whatever a suspect may have answered."""

import dataclasses
import json
import math

import numpy as np
import pytest

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import FIRST_IDENTIFICATIONS
from auditkit.core.models import Reference, ReferenceKind, SuspectRecord
from auditkit.core.plugins import load, names
from auditkit.core.verdicts import Decision, Identification, ReasonCode
from auditkit.judging import identification
from auditkit.reports.wording import sentence
from tests.conftest import CLASSES, WEIGHTS, said_by

RECORD = SuspectRecord("suspect", None, "callable", {})


def evidence(bundle, classes, access, answered=1.0):
    """Random answers of so many classes to every point; a share of them unanswered."""
    rng, count = np.random.default_rng(0), len(bundle.fingerprint.sheet)
    scores = rng.normal(size=(count, classes)).astype(np.float32)
    labels = np.where(rng.uniform(size=count) < answered, scores.argmax(1), -1)
    answers = Answers(labels, None if access is Access.LABEL else scores, access)
    return Evidence(RECORD, bundle.digest, answers, classes)


@pytest.fixture(params=names(identification))
def weigh(request):
    """Every way to weigh."""
    return load(identification, request.param)


@pytest.fixture
def led(weigh, bundle):
    """The bundle of a method whose points this identification weighs."""
    return leading(bundle, file_name(weigh))


def leading(bundle, name):
    """The bundle of a fingerprint that is weighed by the identification of this name."""
    named = (*FIRST_IDENTIFICATIONS, name)
    made = dataclasses.replace(bundle.fingerprint, lead=name, identifications=named)
    return dataclasses.replace(bundle, fingerprint=made)


def file_name(weigh):
    """Of the file that holds it, which is what it is called everywhere."""
    return weigh.__module__.rpartition(".")[2]


@pytest.mark.parametrize("access", Access)
@pytest.mark.parametrize("classes", [2, CLASSES, CLASSES + 3])
@pytest.mark.parametrize("answered", [0.0, 0.5, 1.0])
def test_every_answer_is_weighed(weigh, led, access, classes, answered):
    """Any access, any label space, any number of answers gives an opinion or an abstention."""
    opinion = weigh(led, evidence(led, classes, access, answered))
    assert isinstance(opinion, Identification)
    assert sentence(opinion.reason)
    assert "\n" not in sentence(opinion.reason)
    assert opinion.value is None or math.isfinite(opinion.value)
    assert opinion.says is not Decision.PIRATED


@pytest.mark.parametrize("classes", [2, CLASSES, CLASSES + 3])
@pytest.mark.parametrize("answered", [0.0, 1.0])
def test_reasons_are_json(weigh, led, classes, answered):
    """The code is one of the listed ones, and its facts can be kept and sent."""
    reason = weigh(led, evidence(led, classes, Access.LOGITS, answered)).reason
    assert reason.code in set(ReasonCode)
    assert json.loads(json.dumps(reason.facts, allow_nan=False)) == reason.facts


def test_only_who_leads_must_speak(weigh, led):
    """About another's points an identification may say nothing at all, about its own never."""
    answers = evidence(led, CLASSES, Access.LABEL)
    opinion = weigh(leading(led, "another"), answers)
    assert opinion is None or opinion.name == file_name(weigh)
    assert weigh(led, answers) is not None


def test_the_owner_itself_is_never_called_homologous(weigh, led):
    """Its own answers look pirated, or are not weighed."""
    answers = said_by(led.fingerprint.sheet.points, WEIGHTS)
    own = Evidence(RECORD, led.digest, answers, CLASSES)
    assert weigh(led, own).says in (Decision.PIRATED, None)


def test_the_name_is_the_files(weigh, led):
    """Who reads a report finds the file that said it."""
    assert weigh(led, evidence(led, CLASSES, Access.LOGITS)).name == file_name(weigh)


def test_references_that_answered_nothing_are_no_obstacle(weigh, led):
    """A reference without a single answer is passed over."""
    nothing = Answers(np.full(len(led.fingerprint.sheet), -1))
    kinds = (ReferenceKind.TWIN, ReferenceKind.MEASURED_COPY, ReferenceKind.STAND_IN)
    silent = tuple(
        Reference(f"{kind}{n}", kind, f"sha256:{kind}{n}", nothing)
        for kind in kinds
        for n in (1, 2, 3)
    )
    made = dataclasses.replace(led, references=silent)
    opinion = weigh(made, evidence(made, CLASSES, Access.LOGITS))
    assert opinion.value is None or math.isfinite(opinion.value)
