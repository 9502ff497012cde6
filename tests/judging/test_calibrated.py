"""Suspects among reference models, from the ONNX file to the verdict."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit import api
from auditkit.adapters.base import Port
from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.errors import CalibrationError
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Siblings, Terms
from auditkit.core.models import Reference, ReferenceKind, SuspectRecord
from auditkit.core.points import CONTROL, CORE
from auditkit.core.requests import Asking
from auditkit.core.verdicts import (
    Comparison,
    Decision,
    Identification,
    Reason,
    Verdict,
    clearance_needed,
)
from auditkit.files import evidence as evidence_files
from auditkit.files.bundle import Bundle, read, with_terms, write
from auditkit.judging.decide import decide
from auditkit.reports.build import report
from auditkit.reports.wording import sentence
from auditkit.suspects.examiner import ask_opened
from tests.conftest import (
    CLASSES,
    COPY,
    STRANGER,
    copy_weights,
    linear,
    linear_onnx,
    said_by,
    stranger_weights,
)

RECORD = SuspectRecord("suspect", None, "callable", {})


def evidence(bundle: Bundle, weights: np.ndarray, access=Access.LOGITS) -> Evidence:
    """All that a linear model says."""
    answers = said_by(bundle.fingerprint.sheet.points, weights).capped(access)
    return Evidence(RECORD, bundle.digest, answers, CLASSES)


def judged(bundle: Bundle, weights: np.ndarray, access=Access.LOGITS) -> Verdict:
    """The verdict on a linear model."""
    return api.judge(bundle, evidence(bundle, weights, access))


@pytest.mark.parametrize("access", Access)
def test_references_decide_at_every_access(calibrated, access):
    """A copy is pirated at the smallest p there is, a stranger homologous, whatever is shown."""
    model = linear_suspect(calibrated, COPY, access), linear_suspect(calibrated, STRANGER, access)
    copy, stranger = (api.judge(calibrated, said) for said in model)
    assert copy.decision is Decision.PIRATED
    assert stranger.decision is Decision.HOMOLOGOUS
    assert copy.comparison.p_homologous == 1 / 100
    assert stranger.comparison.p_pirated == 1 / 21
    assert {copy.comparison.access, stranger.comparison.access} == {access}
    assert copy.calibrated
    assert stranger.calibrated


def linear_suspect(bundle: Bundle, weights: np.ndarray, access: Access) -> Evidence:
    """A linear model asked through the pipeline, using no more than that."""

    class Adapter:
        port, runtime = Port("here"), MappingProxyType({})

        def answer(self, points):
            return linear(points, weights)

        def close(self):
            """Nothing is open."""

    return ask_opened(bundle, Adapter(), RECORD, access)


def test_too_few_references_leave_the_verdict_to_the_thresholds(calibrated):
    """With 98 independent ones nothing is claimed at 1 %; p stays above what they support."""
    few = replace(calibrated, references=calibrated.references[:1] + calibrated.references[2:])
    found = judged(few, COPY)
    assert not found.calibrated
    assert found.comparison.p_homologous == 1 / 99
    assert {opinion.says for opinion in found.identifications} > {None}


def test_levels_are_the_bundles(calibrated, tmp_path):
    """A stricter level asks for more references; levels travel in the file and its digest."""
    strict = with_terms(calibrated, 0.001, None)
    write(strict, tmp_path / "strict.fp")
    again = read(tmp_path / "strict.fp")
    assert again.terms == Terms(accuse=0.001)
    assert again.digest == strict.digest != calibrated.digest
    assert not judged(again, COPY).calibrated
    with pytest.raises(CalibrationError, match="between 0 and 1"):
        with_terms(calibrated, 2.0, None)


def test_a_suspects_verdict_is_its_own(calibrated):
    """Alone or among others it is the same; only the corrected p-values see the others."""
    first = judged(calibrated, COPY)
    outcomes = [first, *(judged(calibrated, stranger_weights(n)) for n in (2000, 2001, 2002))]
    assert judged(calibrated, COPY).comparison == first.comparison
    made = report(calibrated, outcomes)
    assert made.corrected[0].holm == pytest.approx(4 / 100)
    assert report(calibrated, [first]).corrected == (None,)
    assert Counter(o.decision for o in outcomes)[Decision.PIRATED] == 1


def test_references_that_show_less_bring_all_down_to_labels(calibrated):
    """One reference of labels alone, and everybody is compared by labels."""
    poor, *rest = calibrated.references[1:]
    poor = replace(poor, answers=poor.answers.capped(Access.LABEL))
    mixed = replace(calibrated, references=(calibrated.references[0], poor, *rest))
    assert judged(mixed, COPY).comparison.access is Access.LABEL
    assert judged(mixed, COPY).decision is Decision.PIRATED


def test_one_by_one_stops_early_with_the_same_verdict(calibrated, tmp_path, monkeypatch):
    """Fewer queries, the same decision, and kept evidence gives it again."""
    monkeypatch.chdir(tmp_path)
    for name, weights in (("copy", COPY), ("stranger", STRANGER)):
        linear_onnx(Path(f"{name}.onnx"), weights=weights)
        said = api.query(calibrated, f"{name}.onnx", Asking(sequential=True))
        assert said.queries < len(calibrated.fingerprint.sheet)
        found = api.judge(calibrated, said)
        assert found.decision is judged(calibrated, weights).decision
        assert found.comparison.sequential
        evidence_files.write(said, calibrated, Path("kept.evidence"))
        again = api.judge(calibrated, evidence_files.read(Path("kept.evidence"), calibrated))
        assert again.comparison == found.comparison


def test_one_by_one_needs_references(bundle):
    """Without enough of them it is refused before anything is asked, with the numbers."""
    with pytest.raises(CalibrationError, match="99 homologous are needed for 1%, the bundle has 0"):
        api.query(bundle, "nothere.onnx", Asking(sequential=True))


COMPARISONS = st.builds(
    Comparison,
    st.just(Access.LABEL),
    st.just(99),
    st.just(19),
    st.sampled_from([0, 0, 1, 30, 99]).map(lambda n: min(1, (1 + 2 * n) / 100)),
    st.sampled_from([0, 0, 1, 10, 19]).map(lambda n: min(1, (1 + 2 * n) / 20)),
    st.floats(-1, 1),
    st.floats(0.01, 1),
    st.floats(0.05, 100),
    st.booleans(),
)


def test_one_by_one_takes_less_clearance(calibrated):
    """Three quarters of what the bundle's terms say; all of it where everything was asked."""
    facts = (Access.LABEL, 99, 19, 0.01, 0.5, 0.35, 1.0, 9.0)
    needed = [clearance_needed(Comparison(*facts, one), calibrated.terms) for one in (True, False)]
    assert needed == pytest.approx([0.3, 0.4])


@given(COMPARISONS)
def test_every_comparison_is_decided(calibrated, found):
    """Pirated only extreme among innocents, clear of them and like copies; so the reverse."""
    said = evidence(calibrated, STRANGER)
    lead = Identification("label_similarity", Decision.INCONCLUSIVE, Reason("none"))
    made = decide(calibrated, said, (lead,), found)
    terms = calibrated.terms
    close, far = found.p_homologous <= terms.accuse, found.p_pirated <= terms.acquit
    assert sentence(made.reason)
    assert made.calibrated
    if made.decision is Decision.PIRATED:
        assert close
        assert not far
        assert found.clearance >= clearance_needed(found, terms)
    if made.decision is Decision.HOMOLOGOUS:
        assert far
        assert not close
        assert found.p_erratic > terms.acquit
    if close and far:
        assert "like neither" in sentence(made.reason)
    if not close and not far:
        assert "both kinds" in sentence(made.reason)


@pytest.mark.parametrize("share", [0.1, 0.2])
@pytest.mark.parametrize("families", [(CORE,), (CORE, CONTROL)])
def test_a_copy_that_answers_at_random_is_never_cleared(calibrated, share, families):
    """Always the same labels at random, on odd points alone or on all: not homologous."""
    rng, sheet = np.random.default_rng(5), calibrated.fingerprint.sheet
    for number in range(20):
        said = evidence(calibrated, copy_weights(3000 + number), Access.LABEL)
        labels = said.answers.labels.copy()
        noisy = (rng.random(len(labels)) < share) & np.isin(sheet.family, families)
        labels[noisy] = rng.integers(0, CLASSES, noisy.sum())
        found = api.judge(calibrated, replace(said, answers=Answers(labels)))
        assert found.decision is not Decision.HOMOLOGOUS


def test_known_kinds_are_kept_with_their_digests(bundle, tmp_path, monkeypatch):
    """Calibrating keeps every model's answers, kind and digest; the same model twice is refused."""
    monkeypatch.chdir(tmp_path)
    linear_onnx(Path("a.onnx"), weights=COPY)
    linear_onnx(Path("b.onnx"), weights=STRANGER)
    made = api.calibrate(bundle, ["b.onnx"], ["a.onnx"])
    kinds = {r.name: r.kind for r in made.references[1:]}
    assert kinds == {"b.onnx": ReferenceKind.HOMOLOGOUS, "a.onnx": ReferenceKind.PIRATED}
    assert all(r.digest.startswith("sha256:") for r in made.references)
    with pytest.raises(CalibrationError, match="name each model once"):
        api.calibrate(made, ["a.onnx"], [])


def test_siblings_count_for_no_calibrated_verdict(calibrated):
    """Verdict and p-values are the same with and without them, tried or not."""
    answers = said_by(calibrated.fingerprint.sheet.points, copy_weights(300))
    sibling = Reference("sibling 0", ReferenceKind.SIBLING, "sha256:55", answers)
    untried = replace(calibrated, fingerprint=replace(calibrated.fingerprint, siblings=Siblings()))
    more = replace(calibrated, references=(sibling, *calibrated.references))
    for weights in (COPY, STRANGER):
        alone = judged(calibrated, weights, Access.LABEL)
        for other in (untried, more):
            found = judged(other, weights, Access.LABEL)
            assert (found.decision, found.comparison) == (alone.decision, alone.comparison)
