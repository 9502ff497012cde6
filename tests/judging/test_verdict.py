"""The decision is total, three-valued, and reached only by its own test."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Discrimination, Fingerprint, Siblings
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind, SuspectRecord
from auditkit.core.points import CONTROL, CORE, Family, InputSpec, Sheet
from auditkit.core.verdicts import Decision, Identification, Reason, ReasonCode
from auditkit.files.bundle import Bundle
from auditkit.judging.decide import decide
from auditkit.judging.identification.label_similarity import weigh_labels
from auditkit.reports.wording import sentence

CLASSES = 5
RNG = np.random.default_rng(0)


def family(count: int) -> Family:
    return Family(
        RNG.uniform(size=(count, 4)).astype(np.float32),
        RNG.normal(size=(count, CLASSES)).astype(np.float32),
    )


def fingerprint(discrimination=Discrimination.DISCRIMINATING, **more: Family) -> Fingerprint:
    return Fingerprint(
        "deepcore",
        {},
        0,
        InputSpec((4,), (0.0,), (1.0,)),
        OwnerRecord("owner", "sha256:0", Access.LOGITS, CLASSES),
        Sheet.of({CORE: family(100), CONTROL: family(20), **more}),
        discrimination,
        "as measured",
        siblings=Siblings((0.2, 0.3), ""),
    )


MADE = fingerprint()


def agreeing(made: Fingerprint, **shares: float) -> Answers:
    """The owner's labels on such shares of each family, others on its first points."""
    labels = made.sheet.labels.copy()
    for name, share in shares.items():
        rows = made.sheet.filed(name)
        wrong = rows[: round((1 - share) * len(rows))]
        labels[wrong] = (labels[wrong] + 1) % CLASSES
    return Answers(labels)


def evidence(core: float, control: float = 1.0, *, classes=None, made=MADE, **more) -> Evidence:
    answers = agreeing(made, core=core, control=control, **more)
    record = SuspectRecord("suspect.onnx", "sha256:1", "onnx", {})
    return Evidence(record, "sha256:2", answers, classes)


def verdict(found: Evidence, *others: Identification, made=MADE, references=()):
    bundle = Bundle(made, tuple(references))
    return decide(bundle, found, (weigh_labels(bundle, found), *others))


def told(found) -> str:
    """Why a verdict is what it is, in words."""
    return sentence(found.reason)


@pytest.mark.parametrize(
    ("share", "decision"),
    [
        (1.0, Decision.PIRATED),
        (0.85, Decision.PIRATED),
        (0.84, Decision.INCONCLUSIVE),
        (0.60, Decision.INCONCLUSIVE),
        (0.59, Decision.INCONCLUSIVE),
        (0.0, Decision.INCONCLUSIVE),
    ],
)
def test_the_default_thresholds(share, decision):
    """From 0.85 pirated; below that nobody is cleared without twins."""
    assert verdict(evidence(share)).decision is decision


def test_without_reference_models_the_most_that_is_said_is_no_sign_of_a_modified_copy():
    """Distilled copies answer like independent models, so nobody is called homologous."""
    found = verdict(evidence(0.1))
    assert found.decision is Decision.INCONCLUSIVE
    assert found.reason.code == ReasonCode.NO_SIGN_OF_A_COPY
    assert told(found).startswith("no sign of a modified copy")


@given(st.integers(0, 100), st.integers(0, 100))
def test_more_agreement_never_looks_more_innocent(first, second):
    """The decision is monotone in the share of matching labels."""
    order = [Decision.HOMOLOGOUS, Decision.INCONCLUSIVE, Decision.PIRATED]
    low, high = sorted((first, second))
    ranks = [order.index(verdict(evidence(share / 100)).decision) for share in (low, high)]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    "discrimination", [Discrimination.NOT_DISCRIMINATING, Discrimination.UNMEASURED]
)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_fingerprint_that_tells_nothing_apart_accuses_nobody(discrimination, share):
    """Every verdict from such a bundle is inconclusive, with the reason."""
    made = fingerprint(discrimination)
    found = verdict(evidence(share, made=made), made=made)
    assert found.decision is Decision.INCONCLUSIVE
    assert "as measured" in told(found)


def test_without_siblings_thresholds_accuse_nobody():
    """The reason says why none were tried and what cures it; nobody's opinion accuses either."""
    made = replace(MADE, siblings=Siblings((), "the fingerprint was made with --siblings 0"))
    found = verdict(evidence(1.0), made=made)
    assert found.decision is Decision.INCONCLUSIVE
    for part in ("100% of core points", "--siblings 0", "auditkit twins", "--samples"):
        assert part in told(found)
    assert [opinion.says for opinion in found.identifications] == [None]


def test_siblings_acquit_nobody():
    """Who stays far from the owner is judged the same, whether siblings were tried or not."""
    made = replace(MADE, siblings=Siblings())
    assert verdict(evidence(0.1), made=made) == verdict(evidence(0.1))


def test_siblings_raise_the_bar_like_other_strangers():
    """A suspect no further from a sibling than from a copy is not accused."""
    near = evidence(0.8).answers
    sibling = Reference("sibling 0", ReferenceKind.SIBLING, "sha256:3", near)
    assert verdict(evidence(0.88), references=(sibling,)).decision is Decision.INCONCLUSIVE
    assert verdict(evidence(0.95), references=(sibling,)).decision is Decision.PIRATED


def test_other_label_spaces_are_inconclusive():
    """A suspect with other classes is answered, never accused and never cleared."""
    found = verdict(evidence(1.0, classes=7))
    assert found.decision is Decision.INCONCLUSIVE
    assert found.reason.code == ReasonCode.OTHER_CLASSES
    assert "label spaces differ" in told(found)


def test_a_label_beyond_the_owners_classes_is_another_label_space():
    """The same is seen from labels alone."""
    labels = evidence(0.0).answers.labels.copy()
    labels[3] = CLASSES
    found = verdict(replace(evidence(0.0), answers=Answers(labels)))
    assert found.reason.code == ReasonCode.OTHER_LABELS
    assert "label spaces differ" in told(found)


def test_few_answers_are_inconclusive():
    """No answers is not innocence."""
    labels = MADE.sheet.labels.copy()
    labels[MADE.sheet.filed(CORE)[:20]] = -1
    result = verdict(replace(evidence(1), answers=Answers(labels)))
    assert result.decision is Decision.INCONCLUSIVE
    assert "only 100 of 120" in told(result)


def test_a_suspect_unlike_the_task_is_not_cleared():
    """Who fails natural controls is not called homologous."""
    result = verdict(evidence(0.1, control=0.2))
    assert result.decision is Decision.INCONCLUSIVE
    assert "like neither" in told(result)


def test_contradicting_identifications_are_inconclusive():
    """Every combination of votes is decided, and a contradiction claims nothing."""
    for share, says in itertools.product((0.0, 1.0), Decision):
        other = Identification("other", says, Reason("because"))
        lead = Decision.PIRATED if share else Decision.HOMOLOGOUS
        contradicts = {lead, says} == {Decision.PIRATED, Decision.HOMOLOGOUS}
        accused = lead is Decision.PIRATED and not contradicts
        expected = Decision.PIRATED if accused else Decision.INCONCLUSIVE
        found = verdict(evidence(share), other)
        assert found.decision is expected
        assert ("contradict" in told(found)) is contradicts


def test_known_strangers_raise_the_bar():
    """A suspect no further from a known innocent model than from a copy is not accused."""
    near = evidence(0.8).answers
    stranger = Reference("innocent", ReferenceKind.TWIN, "sha256:3", near)
    assert verdict(evidence(0.88), references=(stranger,)).decision is Decision.INCONCLUSIVE
    assert verdict(evidence(0.95), references=(stranger,)).decision is Decision.PIRATED


def test_labels_that_stand_ins_never_give_are_no_evasion():
    """On harder tasks innocents give labels that five small nets never gave."""
    labels, core = MADE.sheet.labels, MADE.sheet.rows(CORE)
    heard = Reference("net", ReferenceKind.STAND_IN, "sha256:3", Answers((labels + 1) % CLASSES))
    other = Answers(np.where(core, (labels + 2) % CLASSES, labels))
    found = verdict(replace(evidence(0.0), answers=other), references=(heard,))
    assert "evasion" not in told(found)


def test_answers_that_change_clear_nobody():
    """One of ten repeated points with another label is enough."""
    said = replace(evidence(0.1), repeated=10, changed=1)
    found = verdict(said)
    assert found.decision is Decision.INCONCLUSIVE
    assert "1 of 10 points that were asked twice" in told(found)
    assert "asked twice" not in told(verdict(replace(said, changed=0)))


def test_a_verdict_has_no_truth():
    """Three values don't fit a bool."""
    with pytest.raises(TypeError, match="three values"):
        bool(verdict(evidence(1.0)))
