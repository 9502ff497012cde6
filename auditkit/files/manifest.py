"""What a bundle's manifest and tensors say of a fingerprint and its known models."""

from dataclasses import asdict

import numpy as np

from auditkit.core.access import Access
from auditkit.core.arrays import FloatArray, JsonObject, Rows
from auditkit.core.errors import BundleFormatError
from auditkit.core.fingerprint import (
    Discrimination,
    Fingerprint,
    LineUpTerms,
    OwnWeights,
    Siblings,
)
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind
from auditkit.core.points import Family, InputSpec, Sheet, from_pixels, pixels
from auditkit.files import columns, container, sketches
from auditkit.files.container import Tensors, take, tensor


def packed(made: Fingerprint, references: tuple[Reference, ...]) -> container.Packed:
    """Return the entries of a manifest, and its tensors."""
    tensors: dict[str, Rows] = {}
    for name in made.sheet.names:
        family = made.sheet.of_family(name)
        tensors[f"points/{name}"] = _packed_points(family.points, made.spec)
        tensors[f"outputs/{name}"] = family.outputs
    for number, reference in enumerate(references):
        prefix = f"references/{number}"
        tensors |= columns.packed(prefix, made.sheet, reference.answers)
        if reference.weights is not None:
            tensors |= sketches.packed(f"{prefix}/weights", reference.weights).tensors
    weights = _packed_weights(made)
    manifest = {
        "method": made.method,
        "lead": made.lead,
        "identifications": list(made.identifications),
        "parameters": dict(made.parameters),
        "seed": made.seed,
        "spec": _packed_spec(made.spec),
        "owner": asdict(made.owner),
        "families": list(made.sheet.names),
        "discrimination": str(made.discrimination),
        "reason": made.reason,
        "transports": {name: float(share) for name, share in made.transports.items()},
        "siblings": {"shares": [*map(float, made.siblings.shares)], "reason": made.siblings.reason},
        "line_up": asdict(made.line_up),
        **weights.facts,
        "references": [_packed_reference(reference, made) for reference in references],
    }
    return container.Packed(manifest, tensors | weights.tensors)


def _packed_spec(spec: InputSpec) -> JsonObject:
    # A caller may well say 0 and 1, which are read as 0.0 and 1.0 and have to be written so.
    ends = {name: [*map(float, getattr(spec, name))] for name in ("lower", "upper", "mean", "std")}
    return {"shape": list(spec.shape), **ends}


def _packed_points(points: FloatArray, spec: InputSpec) -> Rows:
    """Return points as pixels where these say the same, which takes a quarter of the room."""
    if not spec.is_image:
        return points
    levels = pixels(points, spec)
    return levels if np.array_equal(from_pixels(levels, spec), points) else points


def _unpacked_points(found: Rows, spec: InputSpec) -> FloatArray:
    if found.dtype == np.uint8 and spec.is_image:
        return from_pixels(found, spec)
    if found.dtype != np.float32:
        raise BundleFormatError(f"points must be pixels or float32, got {found.dtype}")
    return found


def _packed_weights(made: Fingerprint) -> sketches.Packed:
    """Return the sketch of the owner, which not every owner has."""
    own = made.weights
    if own is None:
        return sketches.Packed({}, {})
    found = sketches.packed("weights", own.sketch)
    facts = {"least kept": own.least_kept, "from scratch": own.from_scratch}
    return sketches.Packed({"weights": found.facts | facts}, found.tensors)


def _packed_reference(reference: Reference, made: Fingerprint) -> JsonObject:
    kept = reference.weights
    return {
        "name": reference.name,
        "kind": str(reference.kind),
        "digest": reference.digest,
        "access": str(reference.answers.access),
        "families": list(made.sheet.names),
        "recipe": dict(reference.recipe),
        **({} if kept is None else {"weights": sketches.packed("", kept).facts}),
    }


Unpacked = tuple[Fingerprint, tuple[Reference, ...], dict[str, str], str]
"""Fingerprint, known models, versions of the tools, and when it was made."""


def unpacked(manifest: JsonObject, tensors: Tensors) -> Unpacked:
    """Read a manifest with its tensors; the inverse of `packed`.

    Raises:
        BundleFormatError: Something is missing or of another type.
        ValueError: A value is out of its range, or values contradict each other.
    """
    made = _fingerprint(manifest, tensors)
    references = tuple(
        _unpacked_reference(number, record, tensors, made)
        for number, record in enumerate(take(manifest, "references", list))
    )
    versions = {str(k): str(v) for k, v in take(manifest, "versions", dict).items()}
    return made, references, versions, take(manifest, "created", str)


def _fingerprint(manifest: JsonObject, tensors: Tensors) -> Fingerprint:
    spec, owner = take(manifest, "spec", dict), take(manifest, "owner", dict)
    known, terms = take(manifest, "siblings", dict), take(manifest, "line_up", dict)
    inputs = InputSpec(
        tuple(take({"size": size}, "size", int) for size in take(spec, "shape", list)),
        *(_numbers(spec, name) for name in ("lower", "upper", "mean", "std")),
    )
    return Fingerprint(
        method=take(manifest, "method", str),
        lead=take(manifest, "lead", str),
        identifications=_texts(manifest, "identifications"),
        parameters=take(manifest, "parameters", dict),
        seed=take(manifest, "seed", int),
        spec=inputs,
        owner=OwnerRecord(
            take(owner, "name", str),
            take(owner, "digest", str),
            Access(take(owner, "output", str)),
            take(owner, "classes", int),
        ),
        sheet=Sheet.of(
            {
                name: Family(
                    _unpacked_points(tensor(tensors, f"points/{name}"), inputs),
                    tensor(tensors, f"outputs/{name}"),
                )
                for name in _texts(manifest, "families")
            }
        ),
        discrimination=Discrimination(take(manifest, "discrimination", str)),
        reason=take(manifest, "reason", str),
        transports={
            name: take({"share": share}, "share", float)
            for name, share in take(manifest, "transports", dict).items()
        },
        siblings=Siblings(_numbers(known, "shares"), take(known, "reason", str)),
        line_up=LineUpTerms(
            take(terms, "twins", int), take(terms, "doubt", str), take(terms, "level", float)
        ),
        weights=_weights(manifest, tensors),
    )


def _weights(manifest: JsonObject, tensors: Tensors) -> OwnWeights | None:
    if "weights" not in manifest:
        return None
    facts = take(manifest, "weights", dict)
    return OwnWeights(
        sketches.unpacked("weights", facts, tensors),
        take(facts, "least kept", float),
        take(facts, "from scratch", bool),
    )


def _texts(record: JsonObject, name: str) -> tuple[str, ...]:
    return tuple(take({name: value}, name, str) for value in take(record, name, list))


def _numbers(record: JsonObject, name: str) -> tuple[float, ...]:
    return tuple(take({name: value}, name, float) for value in take(record, name, list))


def _unpacked_reference(
    number: int, record: JsonObject, tensors: Tensors, made: Fingerprint
) -> Reference:
    access = Access(take(record, "access", str))
    families = take(record, "families", list)
    return Reference(
        take(record, "name", str),
        ReferenceKind(take(record, "kind", str)),
        take(record, "digest", str),
        columns.unpacked(f"references/{number}", made.sheet, families, access, tensors),
        take(record, "recipe", dict),
        sketches.unpacked(f"references/{number}/weights", take(record, "weights", dict), tensors)
        if "weights" in record
        else None,
    )
