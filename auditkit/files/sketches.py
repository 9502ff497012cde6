"""Sketches of weights as facts of a manifest and tensors of a file."""

from dataclasses import dataclass

from auditkit.core.arrays import JsonObject, Rows
from auditkit.core.errors import BundleFormatError
from auditkit.core.weights import Outline, Sketch
from auditkit.files.container import Tensors, take, tensor


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """A sketch in a file: what its manifest says, and its tensors."""

    facts: JsonObject
    tensors: dict[str, Rows]


def packed(prefix: str, sketch: Sketch) -> Packed:
    """Return what a manifest says of a sketch, and its tensors.

    Args:
        prefix: Of the tensors' names, which are `<prefix>/<number>`.
        sketch: What is written.
    """
    outlines = [
        {"name": one.name, "shape": list(one.shape), "inputs": one.inputs}
        for one in sketch.outlines
    ]
    tensors = {f"{prefix}/{number}": one.directions for number, one in enumerate(sketch.outlines)}
    return Packed({"seed": sketch.seed, "layers": outlines}, tensors)


def unpacked(prefix: str, facts: JsonObject, tensors: Tensors) -> Sketch:
    """Read a sketch; the inverse of `packed`.

    Raises:
        BundleFormatError: Something is missing, of another type, or contradicts its tensor.
    """
    found = [
        _outline(f"{prefix}/{number}", record, tensors)
        for number, record in enumerate(take(facts, "layers", list))
    ]
    return Sketch(take(facts, "seed", int), tuple(found))


def _outline(name: str, record: JsonObject, tensors: Tensors) -> Outline:
    sizes = [take({"shape": size}, "shape", int) for size in take(record, "shape", list)]
    if len(sizes) != 2:
        raise BundleFormatError(f"{name} has {len(sizes)} sizes, wanted rows and columns")
    try:
        return Outline(
            take(record, "name", str),
            (sizes[0], sizes[1]),
            take(record, "inputs", int),
            _halves(name, tensor(tensors, name)),
        )
    except ValueError as error:
        raise BundleFormatError(f"{name} is no sketch of a layer: {error}") from error


def _halves(name: str, found: Rows) -> Rows:
    if found.dtype != "float16":
        raise BundleFormatError(f"{name} must be float16, got {found.dtype}")
    return found
