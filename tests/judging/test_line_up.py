"""A line-up: exact for innocents, sees copies, and says what it excludes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence, SeenWeights
from auditkit.core.fingerprint import Discrimination, Fingerprint, LineUpTerms
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind, SuspectRecord
from auditkit.core.points import CONTROL, CORE, DISPUTED, Family, InputSpec, Sheet
from auditkit.core.verdicts import Decision, ReasonCode
from auditkit.files import bundle as bundles
from auditkit.files import evidence as kept
from auditkit.files.bundle import Bundle
from auditkit.judging.judge import judge
from auditkit.judging.lineup.likeness import confidences, likeness, scores
from auditkit.judging.lineup.ranking import gap_p, rank_p, standing
from auditkit.judging.lineup.standing import COPIES_BEHIND, STUDENTS_BEHIND
from auditkit.reports.build import report
from tests.conftest import digest_of

CLASSES, TWINS = 6, 19
SHAPE = (24,)
RECORD = SuspectRecord("suspect", None, "callable", {})


def net(seed: int) -> np.ndarray:
    """A linear model: what all models of the task share, and what is this one's own."""
    shared = np.random.default_rng(0).normal(size=(*SHAPE, CLASSES))
    return shared + 0.5 * np.random.default_rng(seed).normal(size=shared.shape)


def said(weights: np.ndarray, points: np.ndarray) -> Answers:
    """Its log-probabilities."""
    logits = points @ weights
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return Answers(logs.argmax(1), logs, Access.LOGITS)


OWNER = net(1)
COPY = OWNER + 0.05 * np.random.default_rng(99).normal(size=OWNER.shape)


@pytest.fixture(scope="module")
def lined_up() -> Bundle:
    """A linear owner among 19 twins, with copies of two kinds that it was measured on."""
    rng = np.random.default_rng(5)

    def family(count: int) -> Family:
        points = rng.uniform(-1, 1, size=(count, *SHAPE)).astype(np.float32)
        return Family(points, (points @ OWNER).astype(np.float32))

    sheet = Sheet.of({CORE: family(60), CONTROL: family(30), DISPUTED: family(60)})

    def reference(kind: ReferenceKind, name: str, weights: np.ndarray, how: str) -> Reference:
        answers = said(weights, sheet.points)
        return Reference(name, kind, digest_of(name), answers, {"how": how})

    twins = [reference(ReferenceKind.TWIN, f"twin {n}", net(100 + n), "") for n in range(TWINS)]
    noisy = [OWNER + 0.1 * rng.normal(size=OWNER.shape) for _ in range(3)]
    lost = [net(200 + n) for n in range(2)]
    copies = [
        *(reference(ReferenceKind.MEASURED_COPY, f"n{i}", w, "noisy") for i, w in enumerate(noisy)),
        *(reference(ReferenceKind.MEASURED_COPY, f"l{i}", w, "lost") for i, w in enumerate(lost)),
        reference(ReferenceKind.MEASURED_COPY, "tuned", COPY, "tuned"),
        reference(ReferenceKind.MEASURED_COPY, "tuned 2", OWNER, "tuned"),
        *(
            replace(one, recipe={**one.recipe, "broken": True})
            for one in [reference(ReferenceKind.MEASURED_COPY, "gone", net(400), "broken")]
        ),
        reference(ReferenceKind.MEASURED_COPY, "one", OWNER, "single"),
    ]
    made = Fingerprint(
        "lineup",
        {},
        0,
        InputSpec(SHAPE, (-1.0,), (1.0,)),
        OwnerRecord("owner.pt", digest_of("owner"), Access.LOGITS, CLASSES),
        sheet,
        Discrimination.NOT_DISCRIMINATING,
        "measured",
        line_up=LineUpTerms(TWINS),
    )
    return Bundle(made, (*twins, *copies), {}, "2026-01-01T00:00:00Z")


def evidence(bundle: Bundle, model: np.ndarray, access=Access.LOGITS, **more) -> Evidence:
    """What a linear suspect says, using no more than `access`."""
    answers = said(model, bundle.fingerprint.sheet.points).capped(access)
    classes = None if access is Access.LABEL else model.shape[1]
    return Evidence(RECORD, bundle.digest, answers, classes, **more)


@pytest.mark.parametrize("access", Access)
def test_a_copy_is_first_and_stands_out(lined_up, access):
    """It is called pirated at every access, though thresholds could say nothing."""
    verdict = judge(lined_up, evidence(lined_up, COPY, access))
    assert verdict.decision is Decision.PIRATED
    assert verdict.reason.code == ReasonCode.FIRST_IN_LINE_UP
    assert verdict.calibrated
    assert verdict.line_up.p == 1 / (TWINS + 1) == verdict.p_homologous


@pytest.mark.parametrize("looks", range(1, 9))
def test_a_copy_is_first_however_many_outputs_were_read(lined_up, looks):
    """The chances are multiplied by the number of outputs; the owner's place stays the first."""
    found = judge(lined_up, replace(evidence(lined_up, COPY), looks=looks))
    assert found.decision is Decision.PIRATED
    assert found.line_up.p == pytest.approx(looks / (found.line_up.twins + 1))


@pytest.mark.parametrize(
    ("access", "code"),
    [(Access.LABEL, ReasonCode.LABELS_ALONE), (Access.LOGITS, ReasonCode.UNLIKE_COPIES)],
)
def test_innocents_are_cleared_of_what_would_have_been_seen(lined_up, access, code):
    """Of 200 independent models none is accused, and most are cleared, though not by labels."""
    verdicts = [judge(lined_up, evidence(lined_up, net(1000 + n), access)) for n in range(200)]
    assert all(verdict.decision is not Decision.PIRATED for verdict in verdicts)
    assert all((v.decision is Decision.HOMOLOGOUS) <= (access is Access.LOGITS) for v in verdicts)
    cleared = [verdict for verdict in verdicts if verdict.reason.code == code]
    assert len(cleared) >= 175
    assert all(v.line_up.excluded == ("noisy", "tuned") for v in cleared)
    assert all("lost" in v.line_up.unseen for v in cleared)
    assert all(v.line_up.unmeasured == ("broken", "single", COPIES_BEHIND) for v in cleared)


def test_who_is_made_from_a_twin_is_no_copy_of_the_owner(lined_up):
    """A twin that leaked is named, and nobody is accused or cleared."""
    verdict = judge(lined_up, evidence(lined_up, net(103)))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert verdict.reason.code == ReasonCode.LIKE_A_TWIN


def test_an_owner_that_is_no_twin_proves_nothing(lined_up):
    """With a doubt about the owner the line-up is shown and does not decide."""
    doubted = LineUpTerms(TWINS, "the owner is right on 99 %")
    bundle = replace(lined_up, fingerprint=replace(lined_up.fingerprint, line_up=doubted))
    verdict = judge(bundle, evidence(bundle, COPY))
    assert verdict.decision is Decision.INCONCLUSIVE
    assert not verdict.calibrated
    assert verdict.line_up is not None


def test_nobody_is_cleared_where_copies_are_not_seen(lined_up):
    """With copies alone that the line-up loses, the rest is inconclusive."""
    lost = [
        one
        for one in lined_up.references
        if one.kind is ReferenceKind.TWIN or one.recipe["how"] == "lost"
    ]
    bundle = replace(lined_up, references=tuple(lost))
    verdict = judge(bundle, evidence(bundle, net(302)))
    assert verdict.reason.code == ReasonCode.COPIES_UNSEEN


def test_another_label_space_is_compared_by_relations(lined_up):
    """A copy whose classes were merged two by two is still first in line."""
    merged = np.stack([COPY[:, ::2], COPY[:, 1::2]]).max(axis=0)
    verdict = judge(lined_up, evidence(lined_up, merged))
    assert [place.measure for place in verdict.line_up.places] == ["relations"]
    assert verdict.line_up.p == 1 / (TWINS + 1)
    assert verdict.decision is not Decision.HOMOLOGOUS


def test_one_by_one_the_first_who_stands_out_settles_it(lined_up):
    """A copy is found after a part of the points, by the looks that everybody has."""
    seen = evidence(lined_up, COPY, asked=60)
    verdict = judge(lined_up, replace(seen, answers=seen.answers.first(60), spent=60))
    assert verdict.decision is Decision.PIRATED


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_a_copy_that_answers_at_random_is_never_cleared(lined_up, share):
    """So many of its answers are random labels, always the same: it is not homologous."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        seen = evidence(lined_up, COPY, Access.LABEL)
        labels = seen.answers.labels.copy()
        noisy = rng.random(len(labels)) < share
        labels[noisy] = rng.integers(0, CLASSES, noisy.sum())
        found = judge(lined_up, replace(seen, answers=Answers(labels)))
        assert found.decision is not Decision.HOMOLOGOUS


def test_a_label_that_one_member_alone_gives_accuses_nobody(lined_up):
    """Who agrees with the owner where all twins agree with each other proves nothing by that."""
    sheet = lined_up.fingerprint.sheet
    owner, *twins = (
        said(w, sheet.points).labels for w in (OWNER, *(net(100 + n) for n in range(TWINS)))
    )
    same = (np.array(twins) == twins[0]).all(axis=0)
    alone = np.flatnonzero(same & (owner != twins[0]) & ~sheet.rows(CORE))
    both = np.flatnonzero(same & (owner == twins[0]) & ~sheet.rows(CORE))
    assert len(alone)
    seen = evidence(lined_up, net(310), Access.LABEL)
    labels = np.where(sheet.rows(CORE), seen.answers.labels, -1)
    labels[[*alone, *both]] = owner[[*alone, *both]]
    found = judge(lined_up, replace(seen, answers=Answers(labels)))
    assert [place.measure for place in found.line_up.places] == ["core labels"]
    assert found.line_up.p_gap > 1e-3


def test_a_suspects_verdict_is_its_own(lined_up):
    """Alone or among others it is the same; only the corrected chances see the others."""
    first = judge(lined_up, evidence(lined_up, COPY))
    outcomes = [first, *(judge(lined_up, evidence(lined_up, net(n))) for n in (320, 321, 322))]
    assert judge(lined_up, evidence(lined_up, COPY)).line_up == first.line_up
    made = report(lined_up, outcomes)
    assert made.corrected[0].holm == pytest.approx(4 * first.line_up.p_gap)
    assert report(lined_up, [first]).corrected == (None,)


def test_weights_take_part(lined_up):
    """Of a file that answers like an innocent, alike weights accuse."""
    alike = SeenWeights((0.9, *np.linspace(-0.01, 0.01, TWINS).tolist()), 1e-4, 1.0)
    verdict = judge(lined_up, evidence(lined_up, net(310), weights=alike))
    assert verdict.decision is Decision.PIRATED
    little = replace(alike, shared=0.2)
    again = judge(lined_up, evidence(lined_up, net(310), weights=little))
    assert "weights" not in {place.measure for place in again.line_up.places}


def test_files_keep_line_ups(lined_up, tmp_path):
    """Bundle and evidence come back as they were, and give the same verdict."""
    bundles.write(lined_up, tmp_path / "b.fp")
    again = bundles.read(tmp_path / "b.fp")
    weights = SeenWeights((0.5,) * (TWINS + 1), 0.5, 1.0)
    seen = evidence(lined_up, COPY, weights=weights)
    kept.write(seen, lined_up, tmp_path / "s.evidence")
    read = kept.read(tmp_path / "s.evidence", again)
    assert read.weights == weights
    assert judge(again, read).line_up == judge(lined_up, seen).line_up


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.permutations(range(8)))
def test_all_members_are_treated_alike(seed, order):
    """Members in another order get the same likenesses and standings in that order."""
    rng = np.random.default_rng(seed)
    members, suspect = rng.normal(size=(8, 50)), rng.normal(size=50)
    found = likeness(members, suspect)
    assert likeness(members[order], suspect) == pytest.approx(found[order], abs=1e-9)
    assert standing(found[order]) == pytest.approx(standing(found)[order], abs=1e-6)


def test_a_temperature_changes_no_standing():
    """A student of softened scores stands before its teacher as one of plain scores does."""
    rng = np.random.default_rng(0)
    members = rng.normal(size=(9, 40, 5)).astype(np.float32)
    suspect = (members[0] + 0.1 * rng.normal(size=(40, 5))).astype(np.float32)
    plain, soft = (
        standing(likeness(scores(members), scores(one[None])[0])) for one in (suspect, suspect / 4)
    )
    assert plain.argmax() == soft.argmax() == 0
    assert soft == pytest.approx(plain, rel=1e-3)


@pytest.mark.parametrize("temperature", [0.01, 0.2, 5, 100])
def test_a_temperature_hides_nobody(temperature):
    """By confidences a copy stands out however sharp or soft its probabilities are."""
    rng = np.random.default_rng(0)
    members = logs(3 * rng.normal(size=(20, 100, 10)))
    soft = logs(members[:1] / temperature)
    found = standing(likeness(confidences(members), confidences(soft)[0]))
    assert found.argmax() == 0
    assert gap_p(float(found[0]), 19, 2) < 1e-5


def logs(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities."""
    return np.asarray(log_softmax(logits, axis=-1), np.float32)


def test_scores_find_a_copy_that_says_one_label(lined_up):
    """A class that a filter makes likeliest everywhere hides no copy that gives scores."""
    sheet = lined_up.fingerprint.sheet
    changed = said(COPY, sheet.points)
    biased = logs(changed.scores + 9 * np.eye(CLASSES)[0])
    answers = Answers(biased.argmax(1), biased, Access.LOGITS)
    assert (answers.labels == 0).mean() > 0.9
    seen = replace(evidence(lined_up, COPY), answers=answers)
    assert judge(lined_up, seen).decision is Decision.PIRATED
    alone = replace(seen, answers=answers.capped(Access.LABEL), classes=None)
    assert judge(lined_up, alone).decision is Decision.INCONCLUSIVE


@pytest.mark.parametrize("label", range(CLASSES))
def test_who_says_one_class_everywhere_resembles_nobody(lined_up, label):
    """How often a member says a class is not held against it."""
    points = len(lined_up.fingerprint.sheet)
    seen = evidence(lined_up, COPY, Access.LABEL)
    same = replace(seen, answers=Answers(np.full(points, label)))
    found = judge(lined_up, same).line_up
    assert all(np.abs(place.likeness).max() < 1e-9 for place in found.places)
    assert found.p_gap == 1


def test_an_acquittal_excludes_nothing_behind_filters(lined_up):
    """Copies are measured bare, so what stands before one is named; weights leave students."""
    innocent = judge(lined_up, evidence(lined_up, net(310))).line_up
    unlike = SeenWeights(tuple(np.linspace(-0.01, 0.01, TWINS + 1)), 0.5, 1.0)
    inside = judge(lined_up, evidence(lined_up, net(310), weights=unlike)).line_up
    assert COPIES_BEHIND in innocent.unmeasured
    assert STUDENTS_BEHIND in inside.unmeasured
    assert COPIES_BEHIND not in inside.unmeasured


def test_the_rank_is_exact_and_the_gap_keeps_its_level_where_likenesses_are_normal():
    """Of 20,000 innocents 1 in 20 is first, and 1 in 100 or fewer passes the gap's 1 %."""
    rng = np.random.default_rng(1)
    found = standing(rng.normal(size=(20_000, 20)))
    first = np.mean([rank_p(row) <= 1 / 20 for row in found])
    assert first == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / 20_000) ** 0.5)
    gaps = np.mean([gap_p(float(row[0]), 19, 1) <= 0.01 for row in found])
    assert gaps <= 0.01 + 3 * (0.01 * 0.99 / 20_000) ** 0.5


def test_ties_count_against_the_claim():
    """A suspect that resembles all alike is no copy of anybody."""
    assert rank_p(standing(np.ones(20))) == 1
    assert rank_p(np.array([2.0, 2.0, 0.0])) == pytest.approx(2 / 3)
