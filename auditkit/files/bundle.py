"""The fingerprint bundle (.fp): the file that an owner hands to an auditor."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from auditkit.core.access import Access
from auditkit.core.arrays import JsonObject, Rows
from auditkit.core.errors import BundleError, BundleFormatError
from auditkit.core.escape import first_line
from auditkit.core.fingerprint import (
    Discrimination,
    Fingerprint,
    LineUpTerms,
    OwnWeights,
    Siblings,
)
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind
from auditkit.core.points import Family, InputSpec, Sheet
from auditkit.files import columns, container, sketches
from auditkit.files.container import Tensors, take, tensor

VERSION = 1
RETIRED: JsonObject = {"terms": {"accuse": 0.01, "acquit": 0.05, "clearance": 0.4}}
"""Entries of a manifest that earlier versions wrote and nothing reads any more."""
RETIRED_KINDS = ("homologous", "pirated")
"""Kinds of models by which earlier versions gave verdicts."""


@dataclass(frozen=True, eq=False)
class Bundle:
    """A fingerprint, and the answers of models of known kind to its points.

    Bundles of one digest are equal: what is learnt from a bundle is kept by its digest, also where
    another process has read it anew.
    """

    fingerprint: Fingerprint
    references: tuple[Reference, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""  # ISO 8601, UTC
    retired: JsonObject = field(default_factory=dict)
    """Which entries of `RETIRED` its file has. They are kept because the digest covers them, and
    evidence that was made with the bundle names its digest."""

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of everything but the time and the tools' versions."""
        return container.digest(container.described(_packed(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bundle) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def write(bundle: Bundle, path: Path) -> None:
    """Write the bundle, whole or not at all; the same contents give the same bytes.

    Raises:
        BundleError: The place can't be written.
    """
    container.write(Path(path), _packed(bundle))


def read(path: Path | str) -> Bundle:
    """Read a bundle and check every byte of it.

    Raises:
        BundleError: It was calibrated by an earlier version, with reference models.
        BundleFormatError: Not a bundle, or one of a version that this auditkit does not read.
        BundleIntegrityError: It was changed after it was written.
    """
    contents = container.read(Path(path), "bundle", VERSION)
    # A manifest that matches its hashes may still be nonsense: anyone can write one.
    try:
        _refuse_calibrated(path, contents.manifest)
        return _unpacked(contents.manifest, contents.tensors)
    except BundleFormatError as error:
        raise BundleFormatError(f"{str(path)!r} is no valid bundle: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise BundleFormatError(f"{str(path)!r} is no valid bundle: {first_line(error)}") from error


def _packed(bundle: Bundle) -> container.Packed:
    made = bundle.fingerprint
    tensors: dict[str, Rows] = {}
    for name in made.sheet.names:
        family = made.sheet.of_family(name)
        tensors |= {f"points/{name}": family.points, f"outputs/{name}": family.outputs}
    for number, reference in enumerate(bundle.references):
        prefix = f"references/{number}"
        tensors |= columns.packed(prefix, made.sheet, reference.answers)
        if reference.weights is not None:
            tensors |= sketches.packed(f"{prefix}/weights", reference.weights).tensors
    weights = _packed_weights(bundle)
    tensors |= weights.tensors
    identifications = made.identifications
    manifest = {
        "format": f"auditkit.bundle/{VERSION}",
        "method": made.method,
        "lead": made.lead,
        "parameters": dict(made.parameters),
        "seed": made.seed,
        "spec": asdict(made.spec),
        "owner": asdict(made.owner),
        "families": list(made.sheet.names),
        "discrimination": str(made.discrimination),
        "reason": made.reason,
        # Keys that came later are written only where they say something, so that bundles of earlier
        # versions keep their digest, and evidence that was made with them stays valid.
        **({"transports": dict(made.transports)} if made.transports else {}),
        **({"siblings": _packed_siblings(made.siblings)} if made.siblings != Siblings() else {}),
        **({"line_up": asdict(made.line_up)} if made.line_up.twins else {}),
        **weights.facts,
        **bundle.retired,
        **({"identifications": list(identifications)} if identifications is not None else {}),
        "references": [_packed_reference(reference, made) for reference in bundle.references],
        "versions": dict(bundle.versions),
        "created": bundle.created,
    }
    return container.Packed(manifest, tensors)


def _packed_weights(bundle: Bundle) -> sketches.Packed:
    """Return the sketches of the owner and its twins, which have tensors of their own."""
    own = bundle.fingerprint.weights
    if own is None:
        return sketches.Packed({}, {})
    found = sketches.packed("weights", own.sketch)
    facts = {"least kept": own.least_kept, "from scratch": own.from_scratch}
    return sketches.Packed({"weights": found.facts | facts}, found.tensors)


def _packed_siblings(known: Siblings) -> JsonObject:
    return {"shares": list(known.shares), "reason": known.reason}


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


def _refuse_calibrated(path: Path | str, manifest: JsonObject) -> None:
    """Refuse a bundle whose maker expects verdicts by the reference models or levels in it.

    Raises:
        BundleError: It is one.
    """
    kinds = {take(record, "kind", str) for record in take(manifest, "references", list)}
    levels = any(manifest.get(key, value) != value for key, value in RETIRED.items())
    if levels or kinds.intersection(RETIRED_KINDS):
        raise BundleError(
            f"{str(path)!r} was calibrated, and reference models give no verdicts any more; make "
            "it anew with auditkit twins and auditkit fingerprint --twins"
        )


def _unpacked(manifest: JsonObject, tensors: Tensors) -> Bundle:
    spec, owner = take(manifest, "spec", dict), take(manifest, "owner", dict)
    made = Fingerprint(
        method=take(manifest, "method", str),
        lead=take(manifest, "lead", str),
        parameters=take(manifest, "parameters", dict),
        seed=take(manifest, "seed", int),
        spec=InputSpec(
            tuple(take({"size": size}, "size", int) for size in take(spec, "shape", list)),
            *(_numbers(spec, name) for name in ("lower", "upper", "mean", "std")),
        ),
        owner=OwnerRecord(
            take(owner, "name", str),
            take(owner, "digest", str),
            Access(take(owner, "output", str)),
            take(owner, "classes", int),
        ),
        sheet=Sheet.of(
            {
                name: Family(tensor(tensors, f"points/{name}"), tensor(tensors, f"outputs/{name}"))
                for name in take(manifest, "families", list)
            }
        ),
        discrimination=Discrimination(take(manifest, "discrimination", str)),
        reason=take(manifest, "reason", str),
        transports={
            str(name): take({"share": share}, "share", float)
            for name, share in take({"transports": {}} | dict(manifest), "transports", dict).items()
        },
        identifications=(
            tuple(map(str, take(manifest, "identifications", list)))
            if "identifications" in manifest
            else None
        ),
        siblings=_siblings(manifest),
        line_up=_line_up(manifest),
        weights=_weights(manifest, tensors),
    )
    references = tuple(
        _unpacked_reference(number, record, tensors, made)
        for number, record in enumerate(take(manifest, "references", list))
    )
    twins = sum(reference.kind is ReferenceKind.TWIN for reference in references)
    if twins != made.line_up.twins:
        raise BundleFormatError(f"a line-up of {made.line_up.twins} twins, but {twins} are kept")
    versions = {str(k): str(v) for k, v in take(manifest, "versions", dict).items()}
    return Bundle(made, references, versions, take(manifest, "created", str), _retired(manifest))


def _siblings(manifest: JsonObject) -> Siblings:
    """Those of a bundle without the key were not tried."""
    if "siblings" not in manifest:
        return Siblings()
    known = take(manifest, "siblings", dict)
    return Siblings(_numbers(known, "shares"), take(known, "reason", str))


def _line_up(manifest: JsonObject) -> LineUpTerms:
    if "line_up" not in manifest:
        return LineUpTerms()
    found = take(manifest, "line_up", dict)
    return LineUpTerms(
        take(found, "twins", int), take(found, "doubt", str), take(found, "level", float)
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


def _retired(manifest: JsonObject) -> JsonObject:
    return {key: manifest[key] for key in RETIRED if key in manifest}


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
