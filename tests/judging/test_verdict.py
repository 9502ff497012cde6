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
from auditkit.core.points import CONTROL, CORE, LINEAGE, MISTAKE, Family, InputSpec
from auditkit.core.verdicts import Decision, Identification
from auditkit.files.bundle import Bundle
from auditkit.judging.decide import decide
from auditkit.judging.identification.label_similarity import weigh_labels

CLASSES = 5
RNG = np.random.default_rng(0)


def family(count: int) -> Family:
    return Family(
        RNG.uniform(size=(count, 4)).astype(np.float32),
        RNG.normal(size=(count, CLASSES)).astype(np.float32),
    )


def fingerprint(discrimination=Discrimination.DISCRIMINATING) -> Fingerprint:
    return Fingerprint(
        "deepcore",
        {},
        0,
        InputSpec((4,), (0.0,), (1.0,)),
        OwnerRecord("owner", "sha256:0", Access.LOGITS, CLASSES),
        {CORE: family(100), CONTROL: family(20)},
        discrimination,
        "as measured",
        siblings=Siblings((0.2, 0.3), ""),
    )


MADE = fingerprint()


def agreeing(family: Family, share: float) -> Answers:
    labels = family.labels.copy()
    wrong = round((1 - share) * len(labels))
    labels[:wrong] = (labels[:wrong] + 1) % CLASSES
    return Answers(labels)


def evidence(core: float, control: float = 1.0, *, classes=None, made=MADE) -> Evidence:
    answers = {
        CORE: agreeing(made.families[CORE], core),
        CONTROL: agreeing(made.families[CONTROL], control),
    }
    record = SuspectRecord("suspect.onnx", "sha256:1", "onnx", {})
    return Evidence(record, "sha256:2", Access.LABEL, classes, answers)


def verdict(found: Evidence, *others: Identification, made=MADE, references=()):
    lead = weigh_labels(made, references, found)
    return decide(Bundle(made, tuple(references)), found, (lead, *others), None)


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
    """From 0.85 pirated; below that nobody is cleared without reference models."""
    assert verdict(evidence(share)).decision is decision


def test_without_reference_models_the_most_that_is_said_is_no_sign_of_a_modified_copy():
    """Distilled copies answer like independent models, so nobody is called homologous."""
    found = verdict(evidence(0.1))
    assert found.decision is Decision.INCONCLUSIVE
    assert found.reason.startswith("no sign of a modified copy")


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
    assert "as measured" in found.reason


def test_without_siblings_thresholds_accuse_nobody():
    """The reason says why none were tried and what cures it; nobody's opinion accuses either."""
    made = replace(MADE, siblings=Siblings((), "the fingerprint was made with --siblings 0"))
    found = verdict(evidence(1.0), made=made)
    assert found.decision is Decision.INCONCLUSIVE
    for part in ("100% of core points", "--siblings 0", "auditkit references", "--samples"):
        assert part in found.reason
    assert [opinion.says for opinion in found.identifications] == [None]


def test_siblings_acquit_nobody():
    """Who stays far from the owner is judged the same, whether siblings were tried or not."""
    made = replace(MADE, siblings=Siblings())
    assert verdict(evidence(0.1), made=made) == verdict(evidence(0.1))


def test_siblings_raise_the_bar_like_other_strangers():
    """A suspect no further from a sibling than from a copy is not accused."""
    near = evidence(0.8).answers
    sibling = Reference("sibling 0", ReferenceKind.SIBLING, "sha256:3", Access.LOGITS, near)
    assert verdict(evidence(0.88), references=(sibling,)).decision is Decision.INCONCLUSIVE
    assert verdict(evidence(0.95), references=(sibling,)).decision is Decision.PIRATED


def test_other_label_spaces_are_inconclusive():
    """A suspect with other classes is answered, never accused and never cleared."""
    found = verdict(evidence(1.0, classes=7))
    assert found.decision is Decision.INCONCLUSIVE
    assert "label spaces differ" in found.reason


def test_a_label_beyond_the_owners_classes_is_another_label_space():
    """The same is seen from labels alone."""
    answers = dict(evidence(0.0).answers)
    labels = answers[CORE].labels.copy()
    labels[3] = CLASSES
    answers[CORE] = Answers(labels)
    found = Evidence(evidence(0).suspect, "sha256:2", Access.LABEL, None, answers)
    assert "label spaces differ" in verdict(found).reason


def test_few_answers_are_inconclusive():
    """No answers is not innocence."""
    labels = MADE.families[CORE].labels.copy()
    labels[:20] = -1
    answers = {CORE: Answers(labels), CONTROL: evidence(1).answers[CONTROL]}
    found = Evidence(evidence(1).suspect, "sha256:2", Access.LABEL, None, answers)
    result = verdict(found)
    assert result.decision is Decision.INCONCLUSIVE
    assert "only 100 of 120" in result.reason


def test_a_suspect_unlike_the_task_is_not_cleared():
    """Who fails natural controls is not called homologous."""
    result = verdict(evidence(0.1, control=0.2))
    assert result.decision is Decision.INCONCLUSIVE
    assert "like neither" in result.reason


def test_contradicting_identifications_are_inconclusive():
    """Every combination of votes is decided, and a contradiction claims nothing."""
    for share, says in itertools.product((0.0, 1.0), Decision):
        other = Identification("other", says, "because")
        lead = Decision.PIRATED if share else Decision.HOMOLOGOUS
        contradicts = {lead, says} == {Decision.PIRATED, Decision.HOMOLOGOUS}
        accused = lead is Decision.PIRATED and not contradicts
        expected = Decision.PIRATED if accused else Decision.INCONCLUSIVE
        found = verdict(evidence(share), other)
        assert found.decision is expected
        assert ("contradict" in found.reason) is contradicts


def test_known_strangers_raise_the_bar():
    """A suspect no further from a known innocent model than from a copy is not accused."""
    stranger = Reference(
        "innocent", ReferenceKind.HOMOLOGOUS, "sha256:3", Access.LABEL, evidence(0.8).answers
    )
    assert verdict(evidence(0.88), references=(stranger,)).decision is Decision.INCONCLUSIVE
    assert verdict(evidence(0.95), references=(stranger,)).decision is Decision.PIRATED


def sharing(name: str, shared: float) -> tuple[Fingerprint, Evidence]:
    """A stranger on core points that gives the owner's label on this share of another family."""
    made = replace(MADE, families={**MADE.families, name: family(50)})
    said = evidence(0.1)
    answers = {**said.answers, name: agreeing(made.families[name], shared)}
    return made, replace(said, answers=answers)


@pytest.mark.parametrize(
    ("name", "shared", "cleared"),
    [(MISTAKE, 0.8, True), (MISTAKE, 0.82, False), (LINEAGE, 0.6, True), (LINEAGE, 0.62, False)],
)
def test_who_shares_the_owners_opinions_is_not_cleared(name, shared, cleared):
    """Up to 80 % of its mistakes an innocent may share, of lineage points up to 60 %."""
    made, said = sharing(name, shared)
    found = verdict(said, made=made)
    assert found.reason.startswith("no sign") is cleared
    assert cleared or {MISTAKE: "natural mistakes", LINEAGE: "lineage"}[name] in found.reason


def test_labels_that_stand_ins_never_give_are_no_evasion():
    """On harder tasks innocents give labels that five small nets never gave."""
    core = MADE.families[CORE]
    heard = Reference(
        "net",
        ReferenceKind.STAND_IN,
        "sha256:3",
        Access.LABEL,
        {CORE: Answers((core.labels + 1) % CLASSES)},
    )
    given = Answers((core.labels + 2) % CLASSES)
    said = replace(evidence(0.0), answers={**evidence(0.0).answers, CORE: given})
    assert "evasion" not in verdict(said, references=(heard,)).reason


def test_answers_that_change_clear_nobody():
    """One of ten repeated points with another label is enough."""
    said = replace(evidence(0.1), repeated=10, changed=1)
    found = verdict(said)
    assert found.decision is Decision.INCONCLUSIVE
    assert "1 of 10 points that were asked twice" in found.reason
    assert "asked twice" not in verdict(replace(said, changed=0)).reason


def test_a_verdict_has_no_truth():
    """Three values don't fit a bool."""
    with pytest.raises(TypeError, match="three values"):
        bool(verdict(evidence(1.0)))
