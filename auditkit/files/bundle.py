"""The portable fingerprint bundle (.fp): what an owner hands to an auditor."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.errors import BundleFormatError, CalibrationError
from auditkit.core.fingerprint import Discrimination, Fingerprint, Siblings, Terms
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind
from auditkit.core.points import Family, InputSpec
from auditkit.files import container
from auditkit.files.container import Tensors, take, tensor

VERSION = 1


@dataclass(frozen=True, eq=False)
class Bundle:
    """A fingerprint and what reference models answered to it."""

    fingerprint: Fingerprint
    references: tuple[Reference, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""  # ISO 8601, UTC
    terms: Terms = field(default_factory=Terms)

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of everything but the time and the tools' versions; every suspect needs it."""
        manifest, tensors = _packed(self)
        return container.digest(container.described(manifest, tensors))


def write(bundle: Bundle, path: Path) -> None:
    """Write the bundle, whole or not at all; the same contents give the same bytes.

    Raises:
        BundleError: The place can't be written.
    """
    manifest, tensors = _packed(bundle)
    container.write(Path(path), manifest, tensors)


def read(path: Path | str) -> Bundle:
    """Read a bundle and check every byte of it.

    Raises:
        BundleFormatError: Not a bundle, or one of a version that this auditkit does not read.
        BundleIntegrityError: It was changed after it was written.
    """
    contents = container.read(Path(path), "bundle", VERSION)
    try:
        return _unpacked(contents.manifest, contents.tensors)
    except BundleFormatError as error:
        raise BundleFormatError(f"{str(path)!r} is no valid bundle: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BundleFormatError(f"{str(path)!r} is no valid bundle: {line}") from error


def with_references(bundle: Bundle, references: Iterable[Reference]) -> Bundle:
    """The same bundle with more references.

    Raises:
        CalibrationError: A model is there already, or named with both kinds.
    """
    merged = list(bundle.references)
    for reference in references:
        for known in merged:
            if known.digest == reference.digest and known.digest != "unknown":
                raise CalibrationError(
                    f"{reference.name!r} ({reference.kind}) is the same model as {known.name!r} "
                    f"({known.kind}); name each model once"
                )
        merged.append(reference)
    return replace(bundle, references=tuple(merged))


def with_terms(
    bundle: Bundle, accuse: float | None, acquit: float | None, clearance: float | None = None
) -> Bundle:
    """The same bundle with other terms (see `Terms`); None keeps one.

    Raises:
        CalibrationError: A level or a clearance outside 0..1.
    """
    given = {"accuse": accuse, "acquit": acquit, "clearance": clearance}
    changed = {name: value for name, value in given.items() if value is not None}
    try:
        return replace(bundle, terms=replace(bundle.terms, **changed))
    except ValueError as error:
        raise CalibrationError(
            f"levels and the clearance lie between 0 and 1, got {changed}"
        ) from error


def _packed(bundle: Bundle) -> tuple[dict[str, Any], dict[str, Any]]:
    made = bundle.fingerprint
    tensors: dict[str, Any] = {}
    for name, family in made.families.items():
        tensors |= {f"points/{name}": family.points, f"outputs/{name}": family.outputs}
    references = [
        _packed_reference(number, reference, tensors)
        for number, reference in enumerate(bundle.references)
    ]
    manifest = {
        "format": f"auditkit.bundle/{VERSION}",
        "method": made.method,
        "lead": made.lead,
        "parameters": dict(made.parameters),
        "seed": made.seed,
        "spec": asdict(made.spec),
        "owner": asdict(made.owner),
        "families": list(made.families),
        "discrimination": str(made.discrimination),
        "reason": made.reason,
        **({"transports": dict(made.transports)} if made.transports else {}),
        **({"siblings": _packed_siblings(made.siblings)} if made.siblings != Siblings() else {}),
        "terms": asdict(bundle.terms),
        "references": references,
        "versions": dict(bundle.versions),
        "created": bundle.created,
    }
    return manifest, tensors


def _packed_siblings(known: Siblings) -> dict[str, Any]:
    return {"shares": list(known.shares), "reason": known.reason}


def _packed_reference(number: int, reference: Reference, tensors: dict[str, Any]) -> dict[str, Any]:
    tensors |= pack_answers(f"references/{number}", reference.answers)
    return {
        "name": reference.name,
        "kind": str(reference.kind),
        "digest": reference.digest,
        "access": str(reference.access),
        "families": list(reference.answers),
        "recipe": dict(reference.recipe),
    }


def pack_answers(prefix: str, answers: Mapping[str, Answers]) -> dict[str, Any]:
    """Tensors of one model's answers: labels, and scores where there are any."""
    tensors: dict[str, Any] = {}
    for family, given in answers.items():
        tensors[f"{prefix}/{family}/labels"] = given.labels
        if given.scores is not None:
            tensors[f"{prefix}/{family}/scores"] = given.scores
    return tensors


def unpack_answers(prefix: str, families: Iterable[str], tensors: Tensors) -> dict[str, Answers]:
    """The inverse of `pack_answers`.

    Raises:
        BundleFormatError: A tensor is missing.
        ValueError: The answers contradict each other.
    """
    return {
        family: Answers(
            tensor(tensors, f"{prefix}/{family}/labels"),
            tensors.get(f"{prefix}/{family}/scores"),
        )
        for family in families
    }


def _unpacked(manifest: Mapping[str, Any], tensors: Tensors) -> Bundle:
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
        families={
            name: Family(tensor(tensors, f"points/{name}"), tensor(tensors, f"outputs/{name}"))
            for name in take(manifest, "families", list)
        },
        discrimination=Discrimination(take(manifest, "discrimination", str)),
        reason=take(manifest, "reason", str),
        transports={
            str(name): take({"share": share}, "share", float)
            for name, share in take({"transports": {}} | dict(manifest), "transports", dict).items()
        },
        siblings=_siblings(manifest),
    )
    references = tuple(
        _unpacked_reference(number, record, tensors, made)
        for number, record in enumerate(take(manifest, "references", list))
    )
    terms = take(manifest, "terms", dict)
    versions = {str(k): str(v) for k, v in take(manifest, "versions", dict).items()}
    return Bundle(made, references, versions, take(manifest, "created", str), _terms(terms))


def _siblings(manifest: Mapping[str, Any]) -> Siblings:
    """Those of a bundle without the key were not tried."""
    if "siblings" not in manifest:
        return Siblings()
    known = take(manifest, "siblings", dict)
    return Siblings(_numbers(known, "shares"), take(known, "reason", str))


def _terms(terms: Mapping[str, Any]) -> Terms:
    return Terms(*(take(terms, name, float) for name in ("accuse", "acquit", "clearance")))


def _numbers(record: Mapping[str, Any], name: str) -> tuple[float, ...]:
    return tuple(take({name: value}, name, float) for value in take(record, name, list))


def _unpacked_reference(
    number: int, record: Mapping[str, Any], tensors: Tensors, made: Fingerprint
) -> Reference:
    answers = unpack_answers(f"references/{number}", take(record, "families", list), tensors)
    for family, given in answers.items():
        if len(given.labels) != len(made.families[family]):
            raise BundleFormatError(f"reference {number} answers another number of points")
    return Reference(
        take(record, "name", str),
        ReferenceKind(take(record, "kind", str)),
        take(record, "digest", str),
        Access(take(record, "access", str)),
        answers,
        take(record, "recipe", dict),
    )
