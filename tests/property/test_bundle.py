"""The bundle: what is written is read, and what was changed is refused."""

import dataclasses
import os
import re
import stat
from datetime import datetime

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
from auditkit.core.fingerprint import Discrimination, Fingerprint, LineUpTerms, Siblings
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind, SuspectRecord
from auditkit.core.points import CORE, FEWEST, Family, InputSpec, Sheet
from auditkit.core.provenance import now
from auditkit.files import bundle as bundles
from auditkit.files import container, evidence
from auditkit.files.bundle import Bundle
from tests.conftest import digest_of

LAX = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(max_size=30)
FULL = st.text(min_size=1, max_size=30)
NAME = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
TIME = st.datetimes(datetime(2000, 1, 1), max_value=datetime(2026, 1, 1)).map(
    lambda time: time.strftime(SECONDS)
)
SECONDS = "%Y-%m-%dT%H:%M:%SZ"


@st.composite
def made_bundles(draw):
    """Bundles of any shape, with any names."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    count, classes = draw(st.integers(FEWEST, 25)), draw(st.integers(2, 4))
    family = Family(
        rng.uniform(size=(count, *shape)).astype(np.float32),
        rng.normal(size=(count, classes)).astype(np.float32),
    )
    fingerprint = Fingerprint(
        draw(NAME),
        draw(st.dictionaries(TEXT, st.integers() | TEXT | st.booleans() | st.none(), max_size=3)),
        draw(st.integers(0, 2**31)),
        InputSpec(shape, (0.0,), (1.0,)),
        OwnerRecord(draw(FULL), digest_of("owner"), draw(st.sampled_from(list(Access))), classes),
        Sheet.of({CORE: family}),
        draw(st.sampled_from([Discrimination.NOT_DISCRIMINATING, Discrimination.UNMEASURED])),
        draw(TEXT),
    )
    answers = Answers(rng.integers(-1, classes, size=count))
    reference = Reference(draw(FULL), ReferenceKind.STAND_IN, digest_of("net"), answers)
    return Bundle(fingerprint, (reference,), {"auditkit": "0"}, draw(TIME))


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


def test_what_siblings_showed_is_kept(tmp_path, bundle):
    """Shares and the reason come back as they were, and shares beyond 0..1 are refused."""
    for known in (Siblings((0.2, 0.3), "a remark"), Siblings((), "made with --siblings 0")):
        made = dataclasses.replace(bundle.fingerprint, siblings=known)
        kept = bundle.references if known.shares else bundle.references[:1]
        bundles.write(Bundle(made, kept), tmp_path / "a.fp")
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
    sealed(tmp_path / "new.fp", bundle, {"format": "auditkit.bundle/3"})
    with pytest.raises(BundleFormatError, match=r"auditkit.bundle/3.*auditkit.bundle/2.*update"):
        bundles.read(tmp_path / "new.fp")


def test_an_older_format_is_made_anew(tmp_path, bundle):
    """Its reader is gone, and one line says what to do."""
    sealed(tmp_path / "old.fp", bundle, {"format": "auditkit.bundle/1"})
    with pytest.raises(BundleFormatError, match=r"auditkit.bundle/1.*make it anew"):
        bundles.read(tmp_path / "old.fp")


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
    first, *rest = bundles._packed(bundle).manifest["references"]
    changed = [{**first, "families": families}, *rest]
    sealed(tmp_path / "odd.fp", bundle, {"references": changed})
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


def test_versions_are_not_in_the_digest(bundle):
    """The same fingerprint made elsewhere has the same digest; another time or level changes it."""
    assert dataclasses.replace(bundle, versions={"auditkit": "9"}).digest == bundle.digest
    assert dataclasses.replace(bundle, created="2026-01-02T00:00:00Z").digest != bundle.digest
    level = dataclasses.replace(bundle.fingerprint, line_up=LineUpTerms(level=1e-4))
    assert dataclasses.replace(bundle, fingerprint=level).digest != bundle.digest
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
    with pytest.raises(EvidenceError, match=r"auditkit\.bundle/2"):
        evidence.read(tmp_path / "x.fp", bundle)


def test_whole_numbers_are_written_as_they_are_read(tmp_path, bundle):
    """Who says that inputs lie in 0..1 gets a bundle that can be read."""
    spec = InputSpec(bundle.fingerprint.spec.shape, (0,), (1,), (0,), (1,))
    made = dataclasses.replace(bundle.fingerprint, spec=spec, transports={"jpeg 90": 1})
    bundles.write(dataclasses.replace(bundle, fingerprint=made), tmp_path / "a.fp")
    assert bundles.read(tmp_path / "a.fp").fingerprint.spec.upper == (1.0,)


def test_images_on_the_grid_take_a_byte_a_number(tmp_path, bundle):
    """They come back as the same bits; one point off the grid keeps all of its family as floats."""
    sheet = bundle.fingerprint.sheet
    bundles.write(bundle, tmp_path / "a.fp")
    kept = container.read(tmp_path / "a.fp", "bundle", bundles.VERSION).tensors["points/core"]
    assert kept.dtype == np.uint8
    read = bundles.read(tmp_path / "a.fp").fingerprint.sheet
    assert read.points.tobytes() == sheet.points.tobytes()
    families = {name: sheet.of_family(name) for name in sheet.names}
    moved = np.array(families["control"].points)
    moved[0, 0, 0, 0] = 0.123
    families["control"] = Family(moved, families["control"].outputs)
    made = dataclasses.replace(bundle.fingerprint, sheet=Sheet.of(families), siblings=Siblings())
    bundles.write(Bundle(made), tmp_path / "b.fp")
    tensors = container.read(tmp_path / "b.fp", "bundle", bundles.VERSION).tensors
    assert (tensors["points/core"].dtype, tensors["points/control"].dtype) == (np.uint8, np.float32)
