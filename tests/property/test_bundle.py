"""The bundle: what is written is read, and what was changed is refused."""

import dataclasses
import os
import re
import stat

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditkit import api
from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.errors import (
    BundleError,
    BundleFormatError,
    BundleIntegrityError,
    EvidenceError,
    UnknownPluginError,
)
from auditkit.core.evidence import Evidence
from auditkit.core.fingerprint import Discrimination, Fingerprint, Siblings
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind, SuspectRecord
from auditkit.core.points import CORE, Family, InputSpec, Sheet
from auditkit.core.provenance import now
from auditkit.files import bundle as bundles
from auditkit.files import container, evidence
from auditkit.files.bundle import Bundle

LAX = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(max_size=30)


@st.composite
def made_bundles(draw):
    """Bundles of any shape, with any names."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    count, classes = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    family = Family(
        rng.uniform(size=(count, *shape)).astype(np.float32),
        rng.normal(size=(count, classes)).astype(np.float32),
    )
    fingerprint = Fingerprint(
        draw(TEXT),
        draw(st.dictionaries(TEXT, st.integers() | TEXT | st.booleans() | st.none(), max_size=3)),
        draw(st.integers(0, 2**31)),
        InputSpec(shape, (0.0,), (1.0,)),
        OwnerRecord(draw(TEXT), "sha256:00", draw(st.sampled_from(list(Access))), classes),
        Sheet.of({CORE: family}),
        draw(st.sampled_from(list(Discrimination))),
        draw(TEXT),
    )
    answers = Answers(rng.integers(-1, classes, size=count))
    reference = Reference(draw(TEXT), ReferenceKind.STAND_IN, "sha256:11", answers)
    return Bundle(fingerprint, (reference,), {"auditkit": "0"}, draw(TEXT))


@LAX
@given(made=made_bundles())
def test_what_is_written_is_read(tmp_path, made):
    """Reading gives the same bundle, and writing that gives the same bytes."""
    first, second = tmp_path / "first.fp", tmp_path / "second.fp"
    bundles.write(made, first)
    read = bundles.read(first)
    bundles.write(read, second)
    assert first.read_bytes() == second.read_bytes()
    assert read.digest == made.digest
    assert read.fingerprint.owner == made.fingerprint.owner
    assert read.fingerprint.spec == made.fingerprint.spec
    np.testing.assert_array_equal(read.fingerprint.sheet.points, made.fingerprint.sheet.points)
    np.testing.assert_array_equal(
        read.references[0].answers.labels, made.references[0].answers.labels
    )


def test_a_bundle_without_siblings_was_made_before_any_were_trained(tmp_path, bundle):
    """Its digest is the same as then, and it reads as one whose siblings were not tried."""
    old = dataclasses.replace(
        bundle, fingerprint=dataclasses.replace(bundle.fingerprint, siblings=Siblings())
    )
    bundles.write(old, tmp_path / "old.fp")
    assert "siblings" not in container.read(tmp_path / "old.fp", "bundle", 1).manifest
    read = bundles.read(tmp_path / "old.fp")
    assert not read.fingerprint.siblings.tried
    assert "before auditkit trained any" in read.fingerprint.siblings.reason
    assert read.digest == old.digest != bundle.digest


def test_what_siblings_showed_is_kept(tmp_path, bundle):
    """Shares and the reason come back as they were, and shares beyond 0..1 are refused."""
    for known in (Siblings((0.25, 1.0), "a remark"), Siblings((), "made with --siblings 0")):
        made = dataclasses.replace(bundle.fingerprint, siblings=known)
        bundles.write(dataclasses.replace(bundle, fingerprint=made), tmp_path / "a.fp")
        assert bundles.read(tmp_path / "a.fp").fingerprint.siblings == known
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        Siblings((1.2,), "")


@pytest.fixture(scope="module")
def written(tmp_path_factory, bundle):
    """A bundle's bytes."""
    path = tmp_path_factory.mktemp("bundle") / "model.fp"
    bundles.write(bundle, path)
    return path.read_bytes()


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_is_refused(tmp_path, written, data):
    """Any changed byte is noticed, wherever it is."""
    place = data.draw(st.integers(0, len(written) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(written)
    changed[place] ^= flip
    path = tmp_path / "changed.fp"
    path.write_bytes(changed)
    with pytest.raises(BundleError) as caught:
        bundles.read(path)
    assert "\n" not in str(caught.value)


def test_every_byte_of_the_header_counts(tmp_path, written):
    """Each byte before the tensors is protected, padding too."""
    length = 8 + int.from_bytes(written[:8], "little")
    path = tmp_path / "changed.fp"
    for place in range(0, length, 3):
        path.write_bytes(written[:place] + bytes([written[place] ^ 1]) + written[place + 1 :])
        with pytest.raises(BundleError):
            bundles.read(path)


@LAX
@given(share=st.floats(0, 0.999))
def test_a_cut_file_is_refused(tmp_path, written, share):
    """A truncated download is no bundle."""
    (tmp_path / "cut.fp").write_bytes(written[: int(share * len(written))])
    with pytest.raises(BundleError):
        bundles.read(tmp_path / "cut.fp")


@LAX
@given(junk=st.binary(max_size=300))
def test_junk_is_refused(tmp_path, junk):
    """Random bytes are no bundle."""
    (tmp_path / "junk.fp").write_bytes(junk)
    with pytest.raises(BundleFormatError):
        bundles.read(tmp_path / "junk.fp")


def test_appended_bytes_are_refused(tmp_path, written):
    """Nothing can hide behind the last tensor."""
    (tmp_path / "long.fp").write_bytes(written + b"\0")
    with pytest.raises(BundleIntegrityError):
        bundles.read(tmp_path / "long.fp")


def sealed(path, bundle, changes):
    """The bundle's file with these changes of its manifest, sealed as if it had been made so."""
    packed = bundles._packed(bundle)
    container.write(path, container.Packed({**packed.manifest, **changes}, packed.tensors))


def test_a_newer_format_names_both(tmp_path, bundle):
    """One line says which format was got, which is read, and what to do."""
    sealed(tmp_path / "new.fp", bundle, {"format": "auditkit.bundle/2"})
    with pytest.raises(BundleFormatError, match=r"auditkit.bundle/2.*auditkit.bundle/1.*update"):
        bundles.read(tmp_path / "new.fp")


@pytest.mark.parametrize(
    "damage",
    [
        {"seed": "zero"},
        {"spec": {}},
        {"families": ["nothere"]},
        {"families": []},
        {"owner": {"name": "x", "digest": "y", "output": "sound", "classes": 5}},
        {"discrimination": "certainly"},
        {"references": [{}]},
        {"parameters": []},
        {"lead": "unknown"},
        {"identifications": ["clustering"]},
        {"identifications": 3},
        {"transports": {"jpeg": 1.5}},
        {"siblings": {"shares": [2], "reason": ""}},
        {"spec": {"shape": [1, 4, 4], "lower": [2], "upper": [1], "mean": [], "std": []}},
    ],
)
def test_a_wrong_manifest_is_one_line(tmp_path, bundle, damage):
    """A well-sealed file with nonsense in it is refused in one line."""
    sealed(tmp_path / "odd.fp", bundle, damage)
    with pytest.raises(BundleFormatError) as caught:
        bundles.read(tmp_path / "odd.fp")
    assert "\n" not in str(caught.value)


def test_a_number_that_became_infinite_is_one_line(tmp_path, bundle):
    """A digit changed so that a number is too large for any float is seen as damage."""
    path = tmp_path / "model.fp"
    sealed(path, bundle, {"parameters": {"level": 0.125}})
    bundles.read(path)
    data = path.read_bytes()
    assert data.count(b"0.125") == 1
    path.write_bytes(data.replace(b"0.125", b"1e999"))
    with pytest.raises(BundleIntegrityError) as caught:
        bundles.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("families", "message"),
    [
        (["core"], "answers ['core'], wanted ['core', 'control']"),
        ([], "answers [], wanted ['core', 'control']"),
        (["core", "control", "mistake"], "'mistake'"),
    ],
)
def test_references_that_answered_only_some_families_are_refused(
    tmp_path, bundle, families, message
):
    """A score needs every model's answers to every point."""
    [reference] = bundles._packed(bundle).manifest["references"]
    sealed(tmp_path / "odd.fp", bundle, {"references": [{**reference, "families": families}]})
    with pytest.raises(BundleFormatError, match=re.escape(message)) as caught:
        bundles.read(tmp_path / "odd.fp")
    assert "\n" not in str(caught.value)


def test_a_bundle_of_an_unknown_identification_is_read_and_not_judged_by(tmp_path, bundle):
    """It can be inspected; an audit says what is missing before anybody is asked."""
    named = dataclasses.replace(
        bundle.fingerprint, lead="unheard", identifications=("unheard", "clustering")
    )
    bundles.write(dataclasses.replace(bundle, fingerprint=named), tmp_path / "a.fp")
    read = bundles.read(tmp_path / "a.fp")
    assert read.fingerprint.speaking == ("clustering", "unheard")
    with pytest.raises(UnknownPluginError, match="no 'unheard' in identification; there are"):
        api.audit(read, ["nothere.onnx"])


def test_time_and_versions_are_not_in_the_digest(bundle):
    """The same fingerprint made later, elsewhere, has the same digest."""
    later = dataclasses.replace(bundle, created="later", versions={"auditkit": "9"})
    assert later.digest == bundle.digest
    assert dataclasses.replace(bundle, references=()).digest != bundle.digest


def test_source_date_epoch_fixes_the_time(monkeypatch):
    """Reproducible builds set the time."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert now() == "1970-01-01T00:00:00Z"


def test_nothing_is_half_written(tmp_path, bundle):
    """A place that can't be written is one line and leaves nothing behind."""
    with pytest.raises(BundleError, match="can't be written"):
        bundles.write(bundle, tmp_path / "nowhere" / "model.fp")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BundleError):
        bundles.write(bundle, tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_files_are_readable_by_others(tmp_path, bundle):
    """A bundle is made to be handed on."""
    bundles.write(bundle, tmp_path / "model.fp")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "model.fp").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("kind", ["homologous", "pirated"])
def test_a_calibrated_bundle_is_refused(tmp_path, bundle, kind):
    """Its reference models give no verdicts any more, and one line says what to do."""
    [known] = bundles._packed(bundle).manifest["references"]
    sealed(tmp_path / "old.fp", bundle, {"references": [{**known, "kind": kind}]})
    with pytest.raises(BundleError, match=r"was calibrated.*fingerprint --twins") as caught:
        bundles.read(tmp_path / "old.fp")
    assert "\n" not in str(caught.value)


def test_levels_that_nobody_chose_are_kept_for_the_digest(tmp_path, bundle):
    """Earlier versions wrote the same three into every bundle; chosen ones are refused."""
    sealed(tmp_path / "old.fp", bundle, bundles.RETIRED)
    old = bundles.read(tmp_path / "old.fp")
    assert old.retired == bundles.RETIRED
    assert old.digest != bundle.digest
    bundles.write(old, tmp_path / "again.fp")
    assert (tmp_path / "again.fp").read_bytes() == (tmp_path / "old.fp").read_bytes()
    chosen = {"terms": {"accuse": 0.05, "acquit": 0.05, "clearance": 0.4}}
    sealed(tmp_path / "chosen.fp", bundle, chosen)
    with pytest.raises(BundleError, match="was calibrated"):
        bundles.read(tmp_path / "chosen.fp")


def test_evidence_is_read_as_written(tmp_path, bundle):
    """Evidence survives the file, and is told from a bundle."""
    record = SuspectRecord("x.onnx", None, "onnx", {"onnxruntime": "1"})
    answers = Answers(bundle.fingerprint.sheet.labels)
    made = Evidence(record, bundle.digest, answers, None, ("a note",), sent=125)
    evidence.write(made, bundle, tmp_path / "x.evidence")
    read = evidence.read(tmp_path / "x.evidence", bundle)
    assert (read.suspect, read.notes, read.classes) == (record, ("a note",), None)
    assert (read.access, read.sent) == (Access.LABEL, 125)
    assert read.answers.labels.tolist() == made.answers.labels.tolist()
    with pytest.raises(BundleFormatError, match=r"auditkit\.evidence/1"):
        bundles.read(tmp_path / "x.evidence")
    other = dataclasses.replace(bundle, references=())
    with pytest.raises(EvidenceError, match="judge it with the bundle it was made with"):
        evidence.read(tmp_path / "x.evidence", other)
    assert any("120 points asked" in line for line in evidence.described(tmp_path / "x.evidence"))
    bundles.write(bundle, tmp_path / "x.fp")
    with pytest.raises(EvidenceError, match=r"auditkit\.bundle/1"):
        evidence.read(tmp_path / "x.fp", bundle)
