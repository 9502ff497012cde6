"""Defects that mutants showed (docs/measured/fuzzing.md), each by its smallest input."""

import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from auditkit.adapters import onnx_external
from auditkit.adapters.wire.oip_rest import RestWire
from auditkit.adapters.wire.replies import number, numbers
from auditkit.adapters.wire.tensors import tensor
from auditkit.adapters.wire.web import Reply
from auditkit.core.errors import (
    BundleFormatError,
    EvidenceError,
    JournalError,
    SignatureError,
    SuspectLoadError,
)
from auditkit.core.points import InputSpec
from auditkit.core.provenance import canonical
from auditkit.core.requests import Reach
from auditkit.files import bundle as bundles
from auditkit.files import container, evidence, journal
from auditkit.files.container import Packed
from auditkit.files.journal import Journal
from auditkit.files.meaning import check_meaning
from auditkit.files.signing import envelope
from fuzz.bundles import full
from fuzz.harnesses.evidence_files import _made
from fuzz.harnesses.onnx_files import _beside


@pytest.mark.parametrize(("core", "control"), [(-1, 0), (-1, 1), (1, -1), (0, -1)])
def test_scores_of_other_points_are_refused(tmp_path, core, control):
    """A family with a row too many and another with one too few would shift the answers between."""
    packed = bundles._packed(full())
    changed = dict(packed.tensors)
    for family, more in (("core", core), ("control", control)):
        name = f"references/2/{family}/scores"
        rows = changed[name]
        changed[name] = np.concatenate([rows, rows[:1]]) if more > 0 else rows[: len(rows) + more]
    container.write(tmp_path / "odd.fp", Packed(packed.manifest, changed))
    with pytest.raises(BundleFormatError, match=r"answers to co.* points, wanted"):
        bundles.read(tmp_path / "odd.fp")


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ({}, "'how' must be str"),
        ({"how": ""}, "how it was copied"),
        ({"how": "noisy", "weights": 0.5}, "'weights' must be list"),
        ({"how": "noisy", "weights": [0.5, "x"]}, "'weights' must be float"),
        ({"how": "noisy", "weights": [0.5, 10**400]}, "'weights' must be float"),
        ({"how": "noisy", "weights": [0.5]}, "the owner and 1 twins"),
    ],
)
def test_measured_copies_tell_what_they_are(recipe, why):
    """Verdicts are read off them, so a bundle that leaves it out is refused when it is read."""
    made = full()
    odd = [
        replace(known, recipe=recipe) if known.name.endswith("copy 1") else known
        for known in made.references
    ]
    with pytest.raises(BundleFormatError, match=why):
        check_meaning(made.fingerprint, tuple(odd), made.created)
    check_meaning(made.fingerprint, made.references, made.created)


@pytest.mark.parametrize("size", ["1e999", "-1e999", "NaN", "9" * 5000, "[]"])
def test_a_size_that_is_none_is_one_line(tmp_path, size):
    """The header around the manifest is read before any hash is compared."""
    path = tmp_path / "odd.fp"
    container.write(path, bundles._packed(full()))
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].replace(b'"shape":[20,', b'"shape":[%s,' % size.encode(), 1)
    assert header != data[8 : 8 + length]
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])
    with pytest.raises(BundleFormatError, match="no auditkit file"):
        bundles.read(path)


@pytest.mark.parametrize(
    "change",
    [
        {"upper": (1e308,)},
        {"lower": (-1e39,)},
        {"mean": (1e39,)},
        {"std": (1e39,)},
        {"std": (1e-46,)},
    ],
)
def test_numbers_that_are_none_as_float32_are_refused(change):
    """Points are float32: a bound or a divisor that is infinite or 0 there is of no use."""
    good = InputSpec((1, 2, 2), (0.0,), (1.0,), (0.5,), (0.25,))
    with pytest.raises(ValueError, match=r"finite|above 0"):
        replace(good, **change)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensor: setattr(tensor, "data_type", 1 << 20),
        lambda tensor: tensor.dims.append(-1),
    ],
)
def test_weights_elsewhere_of_no_known_type_or_size_are_one_line(tmp_path, change):
    """Neither is looked up or multiplied."""
    model = _beside()
    change(model.graph.initializer[0])
    (tmp_path / "model.onnx.data").write_bytes(bytes(1000))
    with pytest.raises(SuspectLoadError, match="which can't be read"):
        onnx_external.whole(str(tmp_path / "model.onnx"), model.SerializeToString())


def test_a_place_of_weights_that_is_no_text_is_one_line(tmp_path):
    """Protobuf hands out what is no UTF-8 as bytes."""
    data = _beside().SerializeToString().replace(b"model.onnx.data", b"model.onnx.dat\xff")
    with pytest.raises(SuspectLoadError, match="no text"):
        onnx_external.whole(str(tmp_path / "model.onnx"), data)


@pytest.mark.parametrize("change", [{"likeness": [10**400]}, {"chance": 10**400}])
def test_numbers_beyond_every_float_are_no_evidence(tmp_path, change):
    """Neither of weights, nor as a number of outputs that a p is multiplied by."""
    path, made = tmp_path / "odd.evidence", full()
    evidence.write(_made(made), made, path)
    found = container.read(path, "evidence", evidence.VERSION)
    weights = {"weights": {**found.manifest["weights"], **change}}
    for odd in (weights, {"looks": 10**400}):
        body = {k: v for k, v in found.manifest.items() if k not in ("tensors", "seal")}
        container.write(path, Packed(body | odd, found.tensors))
        with pytest.raises(EvidenceError, match="no valid evidence") as caught:
            evidence.read(path, made)
        assert len(str(caught.value)) < 300


def test_half_a_character_in_an_envelope_is_one_line():
    """It has no bytes that anybody could have signed."""
    whole = {"payload": "", "payloadType": "\udc80", "signatures": [{"sig": ""}]}
    with pytest.raises(SignatureError, match="no envelope"):
        envelope.opened(canonical(whole))


@pytest.mark.parametrize("rows", ["[1e30]", "[NaN]", "[1.5e19]", "[" + "9" * 40 + "]"])
def test_labels_that_no_journal_can_hold_are_one_line(tmp_path, rows):
    """Not even where the chain was computed anew."""
    path = tmp_path / "odd.journal"
    Journal(path).close()
    entry = ("answered", "https://here", "2026", f'{{"points":["a"],"rows":{rows}}}')
    digest = journal._chained(journal.START, *entry)
    with sqlite3.connect(path) as file:
        file.execute(journal.INSERT, (*entry, digest))
    file.close()
    with pytest.raises(JournalError, match="what no audit wrote"):
        Journal(path)


def test_a_database_s_own_lines_stay_out_of_the_message(tmp_path):
    """SQLite repeats a damaged table as it is written, line ends and all."""
    path = tmp_path / "odd.journal"
    Journal(path).close()
    path.write_bytes(
        path.read_bytes().replace(b"endpoint TEXT NOT NULL,", b'endpoint TEXT "OT NULL,')
    )
    with pytest.raises(JournalError) as caught:
        Journal(path)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("error")
def test_numbers_beyond_every_float_are_no_answers():
    """Neither a foreign exception nor a warning on the auditor's screen."""
    with pytest.raises(ValueError, match="no float"):
        number(10**400)
    with pytest.raises(ValueError, match="no float"):
        numbers([[10**400, 1], [1, 2]])
    assert np.isinf(tensor("FP32", [1], [1e308])).all()


def test_an_output_whose_type_is_no_text_is_left_out():
    """An object can't be looked up among the types."""
    wire = RestWire("http://127.0.0.1:9/v2/models/m", Reach())
    body = b'{"outputs": [{"name": "y", "datatype": {}, "shape": [1], "data": [1]}]}'
    assert wire._outputs(Reply({}, body)) == {}
    wire.close()
