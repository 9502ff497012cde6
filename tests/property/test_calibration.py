"""What reference models make of a score, against independent formulas and by simulation."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from auditkit.core.access import Access
from auditkit.core.answers import answers_of
from auditkit.judging.calibration.conformal import floor, needed, p_value, support
from auditkit.judging.calibration.erratic import p_erratic
from auditkit.judging.calibration.intervals import exact, upper_bound
from auditkit.judging.calibration.likelihood import SCALE, ratio, scale_digest, strength
from auditkit.judging.calibration.multiplicity import benjamini_hochberg, holm
from auditkit.judging.calibration.score import (
    FIRST,
    LEAST_WAY,
    OWNER,
    learn,
    left_out,
    look_schedule,
)
from auditkit.judging.calibration.similarity import Replies, alike

POOLS = st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
SCORES = st.lists(st.floats(-5, 5), min_size=1, max_size=40)
P_VALUES = st.lists(st.floats(0.001, 1), min_size=1, max_size=12)


@given(POOLS)
def test_no_p_value_below_its_floor(pool):
    """However extreme a suspect is, p is at least 1 / (n + 1), and at most 1."""
    models, losses = pool
    assert floor(models) == 1 / (models + 1)
    assert floor(models) <= p_value(losses, models) <= 1


@given(POOLS)
def test_losing_more_never_looks_more_extreme(pool):
    """P rises with the references that the suspect does not beat."""
    models, losses = pool
    assert p_value(min(losses + 1, models), models) >= p_value(losses, models)


@pytest.mark.parametrize(("losses", "p"), [(0, 0.01), (1, 0.03), (3, 0.07), (50, 1.0)])
def test_learning_on_the_references_has_its_price(losses, p):
    """Each reference that is not beaten counts twice."""
    assert p_value(losses, 99) == pytest.approx(p)


def test_impossible_counts_are_refused():
    """More losses than models, or fewer than none, are the programmer's mistake."""
    for losses in (-1, 11):
        with pytest.raises(ValueError, match=r"within 0\.\.10"):
            p_value(losses, 10)


def test_tournaments_have_few_winners():
    """At most 2 k - 1 players lose at most k - 1 games: the bound behind the factor of two."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        size = int(rng.integers(3, 12))
        beats = np.triu(rng.random((size, size)) < rng.random(), 1)
        losses = beats.sum(axis=0) + np.triu(~beats, 1).sum(axis=1)
        for k in range(1, size):
            assert (losses <= k - 1).sum() <= 2 * k - 1


@pytest.mark.parametrize(
    ("models", "level", "bound_95", "bound_99"),
    [
        (10, 0.1, 0.259, 0.369),
        (20, 0.05, 0.139, 0.206),
        (59, 0.05, 0.0495, 0.075),
        (99, 0.01, 0.0298, 0.0454),
        (299, 0.005, 0.00997, 0.0153),
        (459, 0.005, 0.0065, 0.00998),
        (8, None, 0.312, 0.438),
    ],
)
def test_what_so_many_references_support(models, level, bound_95, bound_99):
    """Best level and bounds, as the exact binomial gives them."""
    known = support(models)
    assert known.level == level
    assert known.bound_95 == pytest.approx(bound_95, rel=0.01)
    assert known.bound_99 == pytest.approx(bound_99, rel=0.01)
    assert known.bound_95 == pytest.approx(1 - 0.05 ** (1 / models))


@given(st.floats(0.0005, 0.5))
def test_needed_is_the_least_number_that_supports_a_level(level):
    """One reference fewer can't carry the claim."""
    models = needed(level)
    assert floor(models) <= level + 1e-12
    assert models == 1 or floor(models - 1) > level


@given(st.integers(0, 60), st.integers(1, 60))
def test_intervals_are_clopper_and_pearson(count, total):
    """Two-sided against scipy's beta quantiles, one-sided against the binomial tail itself."""
    count = min(count, total)
    interval = exact(count, total)
    low = stats.beta.ppf(0.025, count, total - count + 1) if count else 0
    high = stats.beta.ppf(0.975, count + 1, total - count) if count < total else 1
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-9)
    bound = upper_bound(count, total)
    if count < total:
        assert stats.binom.cdf(count, total, bound) == pytest.approx(0.05, abs=1e-6)


@given(P_VALUES)
def test_holm_rejects_what_closed_testing_rejects(p_values):
    """A hypothesis falls when every intersection with it does, each by Bonferroni."""
    for place, adjusted in enumerate(holm(p_values)):
        others = [p for number, p in enumerate(p_values) if number != place]
        worst = _closed(p_values[place], others)
        assert adjusted == pytest.approx(min(worst, 1))


def _closed(own: float, others: list[float]) -> float:
    """Greatest Bonferroni p of all intersections that hold this hypothesis."""
    worst = own
    for size in range(1, len(others) + 1):
        chosen = sorted(others, reverse=True)[:size]
        worst = max(worst, min(own, *chosen) * (size + 1))
    return worst


@given(P_VALUES)
def test_benjamini_hochberg_by_definition(p_values):
    """The least level at which the step-up procedure rejects each."""
    ordered = sorted(p_values)
    steps = [p * len(p_values) / (rank + 1) for rank, p in enumerate(ordered)]
    for own, adjusted in zip(p_values, benjamini_hochberg(p_values), strict=True):
        assert adjusted == pytest.approx(min([1.0, *steps[ordered.index(own) :]]))


@given(SCORES, SCORES, st.floats(-6, 6), st.floats(0, 3))
def test_ratios_stay_within_what_references_carry(homologous, pirated, value, step):
    """At most n + 1, at least 1 / (m + 1), and never falling with the score."""
    known = np.array(homologous), np.array(pirated)
    first, second = ratio(*known, value), ratio(*known, value + step)
    least, most = 1 / (len(pirated) + 1), len(homologous) + 1
    assert least - 1e-12 <= first <= second + 1e-9 <= most + 2e-9


def test_pools_that_are_apart_give_what_they_carry():
    """20 of 21 above against 1 of 100, and 99 of 100 below against 1 of 21."""
    known = np.zeros(99), np.ones(20)
    assert ratio(*known, 2.0) == pytest.approx((20 / 21) / (1 / 100))
    assert ratio(*known, -1.0) == pytest.approx((1 / 21) / (99 / 100))


def test_a_tie_is_no_gain():
    """A copy and an innocent with one score count together, not the copy first."""
    assert ratio(np.array([0.0, 1.0]), np.array([1.0]), 1.0) == pytest.approx(1.0)


def test_ratios_hold_turings_bound():
    """Innocents get a ratio above x at most once in x times, in the mean over references."""
    rng = np.random.default_rng(1)
    above = {2: 0, 10: 0, 30: 0}
    for _ in range(400):
        found = [
            ratio(rng.normal(size=49), rng.normal(2, 1, size=20), value)
            for value in rng.normal(size=5)
        ]
        for least in above:
            above[least] += sum(one > least for one in found)
    for least, count in above.items():
        assert count / 2000 <= 1 / least + 3 * np.sqrt(1 / least / 2000)


def test_every_ratio_has_its_word():
    """The bands of the table, on both sides; the digest names this very table."""
    assert strength(1.0) == "supports neither side"
    for (least, word), (following, _) in itertools.pairwise(SCALE[1:]):
        assert strength(least) == f"{word} support for derivation"
        assert strength(1 / (following * 0.99)) == f"{word} support for independence"
    assert scale_digest().startswith("sha256:")


def test_labels_that_nobody_gives_are_counted_without_the_model_itself():
    """Three odd labels against one of each reference: the smallest p; one as odd: no claim."""
    owner, references = np.zeros(20, np.int64), np.zeros((9, 20), np.int64)
    references[np.arange(9), np.arange(9)] = np.arange(9) + 1
    odd = owner.copy()
    odd[10:13] = 77
    assert p_erratic(references, odd, owner) == pytest.approx(1 / 10)
    odd[11:13] = 0
    assert p_erratic(references, odd, owner) == 1
    heard = owner.copy()
    heard[:3] = [1, 2, 3]
    assert p_erratic(references, heard, owner) == 1


@pytest.mark.parametrize("access", Access)
def test_references_are_cut_down_to_what_a_suspect_shows(access):
    """Full answers reduced afterwards are those that the same model reveals at that level."""
    rows = np.random.default_rng(7).normal(0, 3, size=(40, 6)).astype(np.float32)
    full = answers_of(rows, Access.LOGITS, Access.LOGITS)
    shown = answers_of(rows, Access.LOGITS, access)
    cut = full.capped(access)
    assert (cut.labels == shown.labels).all()
    if access is Access.LABEL:
        assert cut.scores is None
    elif access is not Access.LOGITS:
        assert cut.scores == pytest.approx(shown.scores, abs=1e-3)


def replies(rng: np.random.Generator, shares: list[float], points: int) -> Replies:
    """Models that give the owner's label 1 on such shares of points, else 0."""
    return Replies((rng.random((len(shares), points)) < np.array(shares)[:, None]).astype(np.int64))


def test_leaving_one_out_is_learning_without_it():
    """The closed form equals a fit on the others, up to the weight of the kinds."""
    rng = np.random.default_rng(2)
    models = replies(rng, [0.5] * 8 + [0.9] * 5, 30)
    derived = np.arange(13) >= 8
    likeness = sum(alike(models, models, point) for point in range(30)) / 30
    whole = left_out(likeness, derived, 0.01)
    for gone in range(13):
        rest = np.arange(13) != gone
        count = np.where(derived, 5, 8)[rest]
        system = np.ones((13, 13))
        system[:-1, :-1] = likeness[np.ix_(rest, rest)] + np.diag(0.02 * count)
        system[-1, -1] = 0
        kinds = np.append(np.where(derived[rest], 1.0, -1.0), 0.0)
        alone = np.linalg.solve(system, kinds)
        assert whole[np.append(rest, True), gone] == pytest.approx(alone, abs=1e-8)
        assert whole[gone, gone] == pytest.approx(0, abs=1e-8)


@given(st.integers(1, 2000))
def test_looks_rise_to_the_last_point(points):
    """The first after ten points, then ever further apart, the last after all."""
    looks = look_schedule(points)
    assert looks[-1] == points
    assert (np.diff(looks) > 0).all()
    assert len(looks) == 1 or looks[0] == FIRST


def test_going_on_takes_nothing_back():
    """Who once came far stays so far at every later look, on both sides."""
    rng, derived = np.random.default_rng(4), np.arange(15) >= 10
    owner = np.ones(60, np.int64)
    score = learn(replies(rng, [0.5] * 10 + [0.9] * 5, 60), derived, look_schedule(60), owner)
    suspects = replies(rng, [0.2, 0.5, 0.9], 60)
    scores, agreement = score.of(suspects, 60)[:, :, :-1], score.agreement(suspects, 60)
    reached = [score.furthest(scores[:n], agreement[:n]) for n in range(1, len(scores) + 1)]
    assert (np.diff(reached, axis=0) >= 0).all()
    assert (np.diff(reached, axis=0) > 0).any()
    assert (np.diff(reached, axis=0) == 0).any()


@pytest.mark.parametrize("rho", [0.0, 0.2])
@pytest.mark.parametrize("sequential", [False, True])
def test_innocents_pass_no_more_often_than_promised(rho, *, sequential):
    """At every correlation, at one look or at all: p <= 1 / (n + 1) in at most that share."""
    rng = np.random.default_rng(3)
    points, count, passed, tried = 40, 19, 0, 0
    for _ in range(60):
        size = (1 - rho) / rho if rho else None
        shares = [0.5 if size is None else rng.beta(size / 2, size / 2) for _ in range(count + 40)]
        models = replies(rng, [*shares[:count], *[0.9] * 6], points)
        suspects = replies(rng, shares[count:], points)
        derived = np.arange(count + 6) >= count
        looks = look_schedule(points) if sequential else np.array([points])
        owner = np.full(points, 1 if sequential else -1)
        score = learn(models, derived, looks, owner)
        agreement = score.agreement(suspects, points)
        reached = score.furthest(score.of(suspects, points)[:, :, :-1], agreement)
        lost = reached <= score.own_furthest() + 1e-12
        p_values = [p_value(int(n), count) for n in lost[:, ~derived].sum(axis=1)]
        passed += sum(p <= floor(count) for p in p_values)
        tried += len(p_values)
    assert passed / tried <= floor(count) + 3 * np.sqrt(floor(count) / 60)


@given(st.integers(0, 11), st.integers(0, 1000))
def test_a_reference_teaches_nothing_to_the_score_it_is_compared_by(left_out_one, seed):
    """Other answers of it leave that score as it was."""
    rng = np.random.default_rng(seed)
    models, derived = replies(rng, [0.4] * 8 + [0.9] * 4, 30), np.arange(12) >= 8
    other = models.labels.copy()
    other[left_out_one] = rng.integers(0, 4, 30)
    suspects, looks, owner = replies(rng, [0.3, 0.9], 30), np.array([30]), np.full(30, -1)
    before, after = (
        learn(Replies(labels), derived, looks, owner).of(suspects, 30)[..., left_out_one]
        for labels in (models.labels, other)
    )
    np.testing.assert_allclose(before, after, atol=1e-6)


@given(st.integers(0, 1000))
def test_clearance_is_a_share_of_the_way_left_to_the_owner(seed):
    """The owner's own answers clear the way, the closest reference's none of it, others less."""
    rng, derived = np.random.default_rng(seed), np.arange(15) >= 10
    score = learn(
        replies(rng, [0.3] * 10 + [0.9] * 5, 30), derived, look_schedule(30), np.ones(30, np.int64)
    )
    own = score.own_furthest()
    left = np.maximum(OWNER - own[~derived], LEAST_WAY)
    for share in (-0.5, 0.0, 0.4, 1.0):
        reached = own.copy()
        reached[~derived] += share * left
        assert score.clearance(reached) == pytest.approx(share)
    reached[0] = own[0]  # one reference that came as far is enough
    assert score.clearance(reached) == pytest.approx(0)


def test_where_innocents_come_close_a_fifth_of_the_way_counts_at_least():
    """References beside the owner leave no way; then a tenth of it is half of the least."""
    rng, derived = np.random.default_rng(3), np.arange(9) >= 6
    found = learn(replies(rng, [0.3] * 6 + [0.9] * 3, 20), derived, np.array([20]), np.full(20, -1))
    settled = 1 / np.sqrt(20 / 30)
    close = replace(found, own=np.where(derived, 1.0, OWNER * settled - 1)[None])
    np.testing.assert_allclose(close.own_furthest()[~derived], OWNER)
    assert close.clearance(close.own_furthest() + LEAST_WAY / 2) == pytest.approx(0.5)


def test_usual_agreement_is_the_others():
    """No reference is compared with an average that it made itself."""
    rng, derived = np.random.default_rng(4), np.arange(12) >= 8
    models, looks = replies(rng, [0.4] * 8 + [0.9] * 4, 30), look_schedule(30)
    found = learn(models, derived, looks, np.ones(30, np.int64))
    for number, look in enumerate(looks):
        shares = (models.labels[:, :look] == 1).mean(axis=1)
        for one in range(12):
            others = [shares[n] for n in range(8) if n != one]
            assert found.usual[number, one] == pytest.approx(np.mean(others))
