"""How a suspect is asked: the order, what is asked twice, what is not."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit import api
from auditkit.adapters.base import Port
from auditkit.core.access import Access
from auditkit.core.errors import BundleError
from auditkit.core.fingerprint import LineUpTerms
from auditkit.core.models import SuspectRecord
from auditkit.core.points import CONTROL, CORE, MISTAKE, Family, Sheet
from auditkit.core.requests import Asking, Isolation, Options
from auditkit.core.verdicts import Decision, Refusal
from auditkit.suspects.examiner import ask_opened, meet
from auditkit.suspects.interview import OPENING, REPEATED
from tests.conftest import CLASSES, COPY, STRANGER, linear

ASKED: list[np.ndarray] = []
MODEL: list[np.ndarray] = []
RNG = np.random.default_rng(0)


def suspect(points):
    """The model of the moment; what it was asked is kept."""
    ASKED.append(points.copy())
    return linear(points, MODEL[0]).argmax(1)


def erratic(points):
    """A copy that gives half of its labels at random, others each time."""
    labels = linear(points, COPY).argmax(1)
    odd = RNG.random(len(labels)) < 0.5
    return np.where(odd, RNG.integers(0, CLASSES, len(labels)), labels)


@pytest.fixture
def asked(monkeypatch):
    """What a copy is asked."""
    ASKED.clear()
    MODEL[:] = [COPY]
    return ASKED


HERE = "python:tests.suspects.test_asking"
# In this process, which the functions count in.
OPEN = Asking(options=Options(isolation=Isolation.OFF))


def test_core_points_come_first_with_controls_between(bundle):
    """The order holds every point once, core points before mistakes, controls spread evenly."""
    points = np.random.default_rng(1).random((30, 1, 4, 4)).astype(np.float32)
    known = bundle.fingerprint.sheet
    families = {name: known.of_family(name) for name in known.names}
    families[MISTAKE] = Family(points, linear(points))
    sheet = Sheet.of(families)
    assert sorted(sheet.places) == list(range(150))
    whole = np.concatenate([family.points for family in families.values()])
    np.testing.assert_array_equal(sheet.points, whole[sheet.places])
    others = [name for name in sheet.family if name != CONTROL]
    assert others == [CORE] * 100 + [MISTAKE] * 30
    assert np.diff(np.flatnonzero(sheet.rows(CONTROL))).max() <= 9
    assert list(sheet.places) == list(Sheet.of(families).places)


@settings(max_examples=20)
@given(st.permutations(range(12)))
def test_the_order_is_the_points_own(rows):
    """However a bundle lists them, the same points are asked in the same order."""
    points = np.random.default_rng(2).random((12, 4)).astype(np.float32)
    plain, mixed = (Family(p, linear_rows(p)) for p in (points, points[rows]))
    first, second = (Sheet.of({CORE: family}).points for family in (plain, mixed))
    assert (first == second).all()


def linear_rows(points):
    """(n, 4) -> (n, 3) scores."""
    return points @ np.ones((4, 3), np.float32)


def test_each_point_is_asked_once_and_a_few_again(bundle, asked):
    """All points in the bundle's order, then the first ones once more, in another order."""
    said = api.query(bundle, f"{HERE}:suspect", OPEN)
    points = bundle.fingerprint.sheet.points
    rows = np.concatenate(asked)
    first = points[:REPEATED]
    again = [*range(100, 104), 124]  # after each 25 new points one that was asked before
    assert (np.delete(rows, again, axis=0) == points).all()
    assert (rows[again] == first[[1, 2, 3, 0, 4]]).all()  # in other places of their batches
    assert (said.queries, said.repeated, said.changed) == (120, REPEATED, 0)
    assert said.sent == len(rows)


def test_one_by_one_asks_no_more_than_it_says(lined_up, asked):
    """Controls first, then the order up to the deciding look; nothing twice but the repeats."""
    said = api.query(lined_up, f"{HERE}:suspect", replace(OPEN, sequential=True))
    rows = np.concatenate(asked)
    assert len(np.unique(rows, axis=0)) == said.queries
    assert len(rows) == said.sent == said.queries + said.repeated
    assert said.asked <= said.queries <= said.asked + OPENING


def test_one_by_one_stops_early_with_the_same_verdict(lined_up, asked, tmp_path):
    """A copy takes fewer queries, both get the same decision, and kept evidence gives it again."""
    for weights in (COPY, STRANGER):
        MODEL[:] = [weights]
        whole = api.judge(lined_up, api.query(lined_up, f"{HERE}:suspect", OPEN))
        said = api.query(lined_up, f"{HERE}:suspect", replace(OPEN, sequential=True))
        assert (said.queries < len(lined_up.fingerprint.sheet)) == (weights is COPY)
        found = api.judge(lined_up, said)
        assert found.decision is whole.decision
        assert (found.decision is Decision.PIRATED) == (weights is COPY)
        api.write_evidence(said, lined_up, tmp_path / "kept.evidence")
        kept = api.read_evidence(tmp_path / "kept.evidence", lined_up)
        assert api.judge(lined_up, kept).line_up == found.line_up


def test_one_by_one_needs_a_line_up(bundle, lined_up):
    """Without one it is refused before anything is asked, with the reason."""
    doubted = LineUpTerms(lined_up.fingerprint.line_up.twins, "the owner stands out")
    odd = replace(lined_up, fingerprint=replace(lined_up.fingerprint, line_up=doubted))
    for made, why in ((bundle, "the bundle has no twins"), (odd, "the owner stands out")):
        with pytest.raises(BundleError, match=why):
            api.query(made, "nothere.onnx", Asking(sequential=True))


class Opening:
    """A suspect that shows labels at first and probabilities later."""

    port, runtime = Port("opening"), MappingProxyType({})

    def __init__(self):
        self.asked = 0

    def answer(self, points):
        """One-hot rows for the first twenty points."""
        scores = np.exp(linear(points, COPY))
        scores /= scores.sum(1, keepdims=True)
        late = (np.arange(len(points)) + self.asked >= 20)[:, None]
        self.asked += len(points)
        return np.where(late, scores, np.eye(CLASSES)[scores.argmax(1)])

    def close(self):
        """Nothing is open."""


def test_one_by_one_uses_no_more_than_was_shown_at_first(lined_up):
    """Scores of several access levels along one way would be several tries."""
    record = SuspectRecord("opening", None, "callable", {})
    interview = meet(lined_up, Opening(), record, Access.LOGITS)
    interview.ask(range(10))
    interview.settle_access()
    interview.ask(range(len(interview)))
    assert interview.evidence(120).access is Access.LABEL


CALLS: list[int] = []


def fickle(points):
    """Scores at first, labels from the second batch on."""
    CALLS.append(len(points))
    scores = linear(points, COPY)
    return scores if len(CALLS) == 1 else scores.argmax(1)


def test_a_suspect_that_changes_its_form_is_refused_in_one_line(bundle):
    """Scores now, labels then: no verdict, and no traceback."""
    CALLS.clear()
    [found] = api.audit(bundle, [f"{HERE}:fickle"], OPEN)
    assert isinstance(found.outcome, Refusal)
    assert "now in one form, now in another" in found.outcome.reason


def test_changing_answers_clear_nobody(bundle, lined_up):
    """Who answers half of the points at random, and otherwise each time, is not homologous."""
    seen = 0
    for made in (bundle, lined_up):
        for _ in range(20):
            said = api.query(made, f"{HERE}:erratic", OPEN)
            found = api.judge(made, said)
            assert found.decision is not Decision.HOMOLOGOUS
            seen += said.changed > 0
    assert seen > 35


@pytest.mark.parametrize("decimals", [1, 2, 3, 6])
def test_rounded_answers_are_seen_as_such(lined_up, decimals):
    """Two decimals are an access of their own, one is no more than a label."""
    expected = {1: Access.LABEL, 2: Access.ROUNDED}.get(decimals, Access.PROBABILITIES)
    MODEL[:] = [COPY]

    class Rounding:
        port, runtime = Port("rounding"), MappingProxyType({})

        def answer(self, points):
            scores = np.exp(linear(points, COPY))
            return np.round(scores / scores.sum(1, keepdims=True), decimals)

        def close(self):
            """Nothing is open."""

    record = replace(api.query(lined_up, f"{HERE}:suspect", OPEN).suspect, name="rounded")
    said = ask_opened(lined_up, Rounding(), record)
    found = api.judge(lined_up, said)
    assert said.access is expected
    assert found.line_up.access is expected
    assert found.decision is Decision.PIRATED
