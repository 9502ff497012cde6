"""ONNX files that keep their weights in other files are asked, hashed and compared as a whole."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from auditkit.adapters import identified, onnx_external, open_suspect
from auditkit.adapters.base import weights_of
from auditkit.core.errors import SuspectLoadError
from auditkit.core.points import CORE
from auditkit.core.requests import Options
from tests.conftest import WEIGHTS, answered_by, linear, linear_onnx


def outside(tensor, folder, location, *, offset=0, length=None) -> None:
    """Move a tensor's numbers into a file."""
    numbers = tensor.raw_data or numpy_helper.to_array(tensor).tobytes()
    path = folder / location
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        file.truncate(max(path.stat().st_size, offset))
        offset = offset or path.stat().st_size
        file.seek(offset)
        file.write(numbers)
    refer(tensor, location, offset=offset, length=len(numbers) if length is None else length)


def refer(tensor, location, **places) -> None:
    """Let a tensor say that it is in a file."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in {"location": location, **places}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)


def split(folder, location="m.onnx.data", **places):
    """The linear owner with its weights in a file."""
    model = onnx.load(linear_onnx(folder / "whole.onnx"))
    outside(model.graph.initializer[0], folder, location, **places)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


def constant(folder):
    """The weights are a Constant node's, whose attribute lies in a file."""
    model = onnx.load(linear_onnx(folder / "whole.onnx"))
    tensor = model.graph.initializer.pop()
    outside(tensor, folder, "m.onnx.data")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["weights"], value=tensor))
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


def half(folder):
    """The weights are float16 in the file, and cast in the model."""
    model = onnx.load(linear_onnx(folder / "whole.onnx"))
    tensor = numpy_helper.from_array(WEIGHTS.astype(np.float16), "small")
    model.graph.initializer.pop()
    outside(tensor, folder, "m.onnx.data")
    model.graph.initializer.append(tensor)
    cast = helper.make_node("Cast", ["small"], ["weights"], to=TensorProto.FLOAT)
    model.graph.node.insert(0, cast)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    return folder / "m.onnx"


FORMS = {
    "beside": split,
    "below": lambda folder: split(folder, "parts/weights.bin"),
    "at an offset": lambda folder: split(folder, offset=4096),
    "at an odd offset": lambda folder: split(folder, offset=3),
    "of a constant": constant,
    "of half precision": half,
}


@pytest.mark.parametrize("most_inside", [0, 1 << 20])
@pytest.mark.parametrize("form", FORMS)
def test_weights_beside_the_file_are_used_and_shown(
    form, most_inside, tmp_path, bundle, monkeypatch
):
    """Wherever they lie in the folder, whether they are put into the model or used where they are.

    The answers and the weights are the owner's, and no path is looked up from the working folder.
    """
    monkeypatch.setattr(onnx_external, "MOST_INSIDE", most_inside)
    monkeypatch.setattr(onnx_external, "SMALL", 0)
    adapter = open_suspect(identified(str(FORMS[form](tmp_path))), Options("cpu"))
    points = bundle.fingerprint.sheet.of_family(CORE).points
    found = answered_by(adapter, points, bundle.fingerprint.spec)
    np.testing.assert_allclose(found, linear(points), atol=2e-2)
    [layer] = weights_of(adapter)
    np.testing.assert_allclose(layer.rows, WEIGHTS, atol=1e-2)
    adapter.close()
    assert weights_of(adapter) == ()


def test_the_digest_covers_the_other_file(tmp_path):
    """Other weights behind the same model are another suspect."""
    path = split(tmp_path)
    first = onnx_external.whole(str(path), path.read_bytes()).digest
    assert first == onnx_external.whole(str(path), path.read_bytes()).digest
    data = tmp_path / "m.onnx.data"
    data.write_bytes(data.read_bytes()[:-1] + b"\x01")
    assert onnx_external.whole(str(path), path.read_bytes()).digest != first


def link_out(folder):
    """The file is a link to one elsewhere."""
    path = split(folder)
    (folder / "m.onnx.data").rename(folder.parent / "elsewhere.bin")
    (folder / "m.onnx.data").symlink_to(folder.parent / "elsewhere.bin")
    return path


def folder_link(folder):
    """The folder that it is in is a link to one elsewhere."""
    path = split(folder, "parts/weights.bin")
    (folder / "parts").rename(folder.parent / "parts-elsewhere")
    (folder / "parts").symlink_to(folder.parent / "parts-elsewhere")
    return path


def referring(location, **places):
    """A model that names any file."""

    def write(folder):
        path = split(folder)
        model = onnx.load(path, load_external_data=False)
        refer(model.graph.initializer[0], location, **places)
        path.write_bytes(model.SerializeToString())
        return path

    return write


def missing(folder):
    """The file was left behind."""
    path = split(folder)
    (folder / "m.onnx.data").unlink()
    return path


def pipe(folder):
    """The file is a pipe, which would never end."""
    path = missing(folder)
    os.mkfifo(folder / "m.onnx.data")
    return path


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (missing, "which is not there; put that file into the same folder"),
        (pipe, "no file; copy both into one folder"),
        (link_out, "link out of its folder"),
        (folder_link, "link out of its folder"),
        (referring("/etc/passwd"), "no file of its own folder"),
        (referring("../m.onnx.data"), "no file of its own folder"),
        (referring("a/../../m.onnx.data"), "no file of its own folder"),
        (referring("C:\\weights.bin"), "no file of its own folder"),
        (referring("a\\b.bin"), "no file of its own folder"),
        (referring(""), "no file of its own folder"),
        (referring("m.onnx.data", offset=4), "wants 320 bytes from 4 .* has 320"),
        (referring("m.onnx.data", offset=0, length=8), "don't belong together"),
        (referring("m.onnx.data", offset=10**18), "don't belong together"),
        (referring("m.onnx.data", offset="-4"), "names '-4' as a place"),
        (referring("m.onnx.data", offset="9" * 99), "as a place"),
    ],
)
def test_other_files_are_refused_in_one_line(write, message, tmp_path):
    """Nothing outside the model's folder is read, and no size is believed."""
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(SuspectLoadError, match=message) as caught:
        open_suspect(identified(str(write(folder))), Options("cpu"))
    assert "\n" not in str(caught.value)
