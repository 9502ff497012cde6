"""The comparison's statistics against independent formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, mannwhitneyu

from auditkit.bench.statistics import (
    Group,
    auc,
    detected,
    exact,
    mean_auc,
    missed_and_false,
    threshold_at,
)

VALUES = st.lists(st.integers(0, 6).map(lambda v: v / 6), min_size=1, max_size=30).map(np.array)


def group(pirated, homologous):
    """With names for the innocents."""
    names = tuple(f"m{number}" for number in range(len(homologous)))
    return Group(np.asarray(pirated, float), np.asarray(homologous, float), names)


@given(VALUES, VALUES)
def test_the_area_is_mann_whitneys(pirated, homologous):
    """AUC is U over the number of pairs, ties counted half."""
    u = mannwhitneyu(pirated, homologous, method="asymptotic").statistic
    assert auc(pirated, homologous) == pytest.approx(u / (len(pirated) * len(homologous)))


@given(VALUES, st.floats(0, 1))
def test_no_more_innocents_pass_the_bar_than_allowed(homologous, rate):
    """The bar keeps its promise, and the next lower value would break it."""
    bar = threshold_at(homologous, rate)
    assert (homologous > bar).mean() <= rate + 1e-9
    if np.isfinite(bar):
        assert (homologous >= bar).mean() > rate - 1e-9


@given(st.integers(0, 40), st.integers(1, 40))
def test_exact_intervals_are_clopper_and_pearsons(count, total):
    """The interval is the beta quantiles', and holds the share."""
    count = min(count, total)
    found = exact(count, total)
    low = beta.ppf(0.025, count, total - count + 1) if count else 0.0
    high = beta.ppf(0.975, count + 1, total - count) if count < total else 1.0
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert found.low <= found.value <= found.high


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=3))
def test_the_bootstrap_holds_the_estimate_and_repeats(pairs):
    """The interval holds the mean over owners, lies in 0..1, and is the same with the same seed."""
    groups = [group(*pair) for pair in pairs]
    first, second = mean_auc(groups, 50, 0), mean_auc(groups, 50, 0)
    assert first == second
    assert 0 <= first.low <= first.value <= first.high <= 1
    assert first.value == pytest.approx(np.mean([auc(g.pirated, g.homologous) for g in groups]))


def test_the_bootstrap_is_as_wide_as_its_models_vary():
    """Its interval covers the truth about as often as it says, for a known area of 0.76."""
    rng, covered = np.random.default_rng(0), 0
    for seed in range(200):
        found = mean_auc([group(rng.normal(1, 1, 40), rng.normal(0, 1, 60))], 200, seed)
        covered += found.low <= 0.7602 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


@given(VALUES, VALUES)
def test_a_copy_as_good_as_the_bar_is_not_found(pirated, homologous):
    """Only values strictly above the bar accuse, so a score that is always 1 finds nobody."""
    counted = detected([group(np.ones_like(pirated), np.ones_like(homologous))], 0.05)
    assert (counted.found, counted.copies) == (0, len(pirated))


def test_perfect_separation_misses_nobody():
    """Bars from half of the innocents miss no copy; the other half passes about once in n + 1."""
    rng = np.random.default_rng(0)
    rates = missed_and_false([group(rng.uniform(2, 3, 20), rng.uniform(0, 1, 100))], 500, 0)
    assert rates.missed == 0
    assert rates.false == pytest.approx(1 / 51, abs=0.005)
