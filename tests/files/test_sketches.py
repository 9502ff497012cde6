"""Sketches in files: what is read is what was written, and nonsense is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from auditkit.core.errors import BundleFormatError
from auditkit.core.weights import Layer, Sketch, sketch
from auditkit.files import container
from auditkit.files.sketches import packed, unpacked


@pytest.fixture
def made() -> Sketch:
    """Of two random layers."""
    draw = np.random.default_rng(0).normal
    sizes = [("a", 16, 3, 9), ("b", 8, 16, 1)]
    return sketch(
        [Layer(n, draw(size=(o, i * k)).astype(np.float32), i) for n, o, i, k in sizes], 5
    )


def same(one: Sketch, other: Sketch) -> bool:
    """Equal in every number."""
    return one.seed == other.seed and all(
        replace(a, directions=b.directions).shape == b.shape
        and (a.name, a.inputs) == (b.name, b.inputs)
        and np.array_equal(a.directions, b.directions)
        for a, b in zip(one.outlines, other.outlines, strict=True)
    )


def test_a_sketch_survives_a_file(tmp_path, made):
    """Written as manifest and tensors, read through every check of a bundle's file."""
    found = packed("weights", made)
    facts, tensors = found.facts, found.tensors
    whole = container.Packed({"format": "auditkit.bundle/2", "weights": facts}, tensors)
    container.write(tmp_path / "some.fp", whole)
    contents = container.read(tmp_path / "some.fp", "bundle", 2)
    assert same(unpacked("weights", contents.manifest["weights"], contents.tensors), made)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1.5},
        {"layers": None},
        {"layers": [{"name": "a", "shape": [16], "inputs": 3}]},
        {"layers": [{"name": "a", "shape": [16, "27"], "inputs": 3}]},
        {"layers": [{"name": "a", "shape": [16, 28], "inputs": 3}]},
        {"layers": [{"name": "a", "shape": [16, 27], "inputs": 0}]},
        {"layers": [{"name": 5, "shape": [16, 27], "inputs": 3}]},
        {"layers": [{"name": "a", "shape": [16, 27], "inputs": 3}] * 3},
        {"layers": ["a"]},
    ],
)
def test_nonsense_is_refused(made, change):
    """A stranger's manifest that does not fit its tensors is a format error."""
    found = packed("weights", made)
    facts, tensors = found.facts, found.tensors
    with pytest.raises(BundleFormatError):
        unpacked("weights", json.loads(json.dumps(facts | change)), tensors)


@pytest.mark.parametrize("wrong", [np.float32, np.int64])
def test_tensors_of_other_types_are_refused(made, wrong):
    """Directions are float16."""
    found = packed("weights", made)
    facts, tensors = found.facts, found.tensors
    changed = {name: array.astype(wrong) for name, array in tensors.items()}
    with pytest.raises(BundleFormatError, match="float16"):
        unpacked("weights", facts, changed)
