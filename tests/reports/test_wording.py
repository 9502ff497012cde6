"""Every reason that a rule can give has its sentence, in one place."""

import re

import numpy as np

from auditkit import api
from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence
from auditkit.core.models import SuspectRecord
from auditkit.core.verdicts import Reason, ReasonCode
from auditkit.reports.wording import SENTENCES, sentence
from tests.conftest import CLASSES


def test_every_code_has_its_sentence():
    """No code is shown as a code, and no sentence is left over."""
    assert set(SENTENCES) == set(ReasonCode)


def test_codes_are_words_that_last():
    """Small letters and hyphens: ledgers group by them."""
    for code in ReasonCode:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code)


def test_a_plug_ins_own_reason_brings_its_words():
    """An unknown code is told by its fact `text`, or as it is."""
    assert sentence(Reason("moon-phase", {"text": "the moon was full"})) == "the moon was full"
    assert sentence(Reason("moon-phase")) == "moon-phase"


def test_random_answers_are_always_told_in_words(bundle, lined_up):
    """Whatever is answered, every reason of the verdict and its opinions becomes one sentence."""
    rng, record = np.random.default_rng(0), SuspectRecord("s", None, "python", {})
    for number in range(60):
        made = (bundle, lined_up)[number % 2]
        classes, count = (CLASSES, 2, CLASSES + 2)[number % 3], len(made.fingerprint.sheet)
        scores = rng.normal(size=(count, classes)).astype(np.float32)
        labels = np.where(rng.random(count) < rng.random(), scores.argmax(1), -1)
        answers = Answers(labels)
        if number % 4:
            answers = Answers(labels, scores, Access.LOGITS)
        said = Evidence(record, made.digest, answers, classes, repeated=5, changed=number % 5)
        found = api.judge(made, said)
        for reason in (found.reason, *(opinion.reason for opinion in found.identifications)):
            told = sentence(reason)
            assert " " in told
            assert "\n" not in told
            assert "{" not in told
