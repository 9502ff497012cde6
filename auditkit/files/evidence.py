"""Evidence files: a suspect's answers, kept so that anyone can judge again without it."""

import re
from dataclasses import asdict
from pathlib import Path

from auditkit.core.access import Access
from auditkit.core.arrays import JsonObject
from auditkit.core.errors import BundleError, EvidenceError
from auditkit.core.evidence import Evidence, SeenWeights
from auditkit.core.models import SuspectRecord
from auditkit.core.provenance import sha256, versions
from auditkit.files import chain, columns, container
from auditkit.files.bundle import Bundle
from auditkit.files.container import take

VERSION = 1


def file_name(evidence: Evidence) -> str:
    """Return a file name like `model.onnx.0a1b2c3d.evidence`, different for different suspects."""
    # A suspect chooses its own name, so nothing that a file system takes for a path stays in it.
    plain = re.sub(r"[^\w.-]", "_", Path(evidence.suspect.name).name)[:80]
    identity = evidence.suspect.digest or sha256(evidence.suspect.name.encode())
    return f"{plain}.{identity.removeprefix('sha256:')[:8]}.evidence"


def write(evidence: Evidence, bundle: Bundle, path: Path) -> None:
    """Write what a suspect said of a bundle's points, whole or not at all.

    Raises:
        BundleError: The place can't be written.
    """
    container.write(Path(path), _packed(evidence, bundle))


def contained(evidence: Evidence, bundle: Bundle) -> bytes:
    """Return the bytes of the file that `write` writes."""
    return container.contained(_packed(evidence, bundle))


def _packed(evidence: Evidence, bundle: Bundle) -> container.Packed:
    sheet = bundle.fingerprint.sheet
    manifest = {
        "format": f"auditkit.evidence/{VERSION}",
        "suspect": {**asdict(evidence.suspect), "runtime": dict(evidence.suspect.runtime)},
        "bundle": evidence.bundle_digest,
        "access": str(evidence.access),
        "classes": evidence.classes,
        "families": list(sheet.names),
        "notes": list(evidence.notes),
        "asked": evidence.asked,
        "spent": evidence.spent,
        # Written only where it is known, so that evidence of earlier versions keeps its bytes.
        **({} if evidence.sent is None else {"sent": evidence.sent}),
        "disguises": list(evidence.disguises),
        "repeated": evidence.repeated,
        "changed": evidence.changed,
        **({} if evidence.looks == 1 else {"looks": evidence.looks}),
        **({} if evidence.weights is None else {"weights": asdict(evidence.weights)}),
    }
    tensors = columns.packed("answers", sheet, evidence.answers)
    if evidence.heard:
        kept = chain.chained(evidence.heard, evidence.bundle_digest, evidence.suspect.digest)
        manifest |= {"chain": kept.entries, "versions": versions("numpy")}
        tensors |= kept.tensors
    return container.Packed(manifest, tensors)


def read(path: Path | str, bundle: Bundle, data: bytes | None = None) -> Evidence:
    """Read an evidence file and check every byte of it.

    Args:
        path: The file.
        bundle: Whose points were asked: without it the answers' rows mean nothing.
        data: The file's bytes if they are kept elsewhere, as in a ledger; the path then names them
            in errors.

    Raises:
        EvidenceError: Not evidence, of an unknown version, changed after it was written, or of
            another bundle.
    """
    found = contents(path, data)
    manifest = found.manifest
    try:
        digest = take(manifest, "bundle", str)
        # Rows are told by the order of the bundle's points: with another bundle they would be
        # nonsense.
        if digest != bundle.digest:
            raise EvidenceError(
                f"{str(path)!r} answers bundle {digest[:80]}, this one is {bundle.digest}; "
                "judge it with the bundle it was made with"
            )
        access, families = Access(take(manifest, "access", str)), take(manifest, "families", list)
        answers = columns.unpacked(
            "answers", bundle.fingerprint.sheet, families, access, found.tensors
        )
        return Evidence(
            _suspect(take(manifest, "suspect", dict)),
            digest,
            answers,
            _count(manifest, "classes"),
            tuple(str(note) for note in take(manifest, "notes", list)),
            _count(manifest, "asked"),
            _count(manifest, "spent"),
            _count(manifest, "sent"),
            tuple(str(line) for line in take(manifest, "disguises", list)),
            take(manifest, "repeated", int),
            take(manifest, "changed", int),
            _count(manifest, "looks") or 1,
            _weights(manifest),
        )
    except (BundleError, ValueError, TypeError, AttributeError) as error:
        raise EvidenceError(f"{str(path)!r} is no valid evidence: {error}") from error


def described(path: Path) -> list[str]:
    """Describe an evidence file, one fact a line; its bundle is not needed for that.

    Raises:
        EvidenceError: Not evidence, of an unknown version, or changed after it was written.
    """
    found = contents(path)
    manifest, tensors = found.manifest, found.tensors
    try:
        suspect = _suspect(take(manifest, "suspect", dict))
        labels = {
            str(family): container.tensor(tensors, f"answers/{family}/labels")
            for family in take(manifest, "families", list)
        }
        asked = _count(manifest, "spent") or sum(len(column) for column in labels.values())
        return [
            f"evidence of     {suspect.name} through {suspect.adapter}",
            f"suspect digest  {suspect.digest}",
            f"bundle          {take(manifest, 'bundle', str)}",
            f"access          {Access(take(manifest, 'access', str))}, "
            f"{_count(manifest, 'classes')} classes, {asked} points asked",
            f"asked twice     {take(manifest, 'repeated', int)} points, "
            f"{take(manifest, 'changed', int)} got another answer",
            *(
                f"answers         {int((column >= 0).sum())} of {len(column)} {family} points"
                for family, column in labels.items()
            ),
            *(f"chain           {head}" for head in [chain.head(manifest)] if head),
            *(f"disguise        {line}" for line in take(manifest, "disguises", list)),
            *(f"note            {line}" for line in take(manifest, "notes", list)),
        ]
    except (BundleError, ValueError, TypeError, AttributeError) as error:
        raise EvidenceError(f"{str(path)!r} is no valid evidence: {error}") from error


def contents(path: Path | str, data: bytes | None = None) -> container.Contents:
    """Read an evidence file, or its bytes, without its bundle; check every byte and its chain.

    Raises:
        EvidenceError: Not evidence, of an unknown version, or changed after it was written.
    """
    try:
        found = container.read(Path(path), "evidence", VERSION, data)
        if "chain" in found.manifest:
            chain.check(found.manifest, found.tensors)
    except EvidenceError as error:
        raise EvidenceError(f"{str(path)!r} was changed after it was written: {error}") from error
    except BundleError as error:
        raise EvidenceError(str(error)) from error
    except (TypeError, KeyError, AttributeError) as error:
        raise EvidenceError(f"{str(path)!r} is no valid evidence: {error}") from error
    return found


def _suspect(record: JsonObject) -> SuspectRecord:
    return SuspectRecord(
        take(record, "name", str),
        record.get("digest"),
        take(record, "adapter", str),
        {str(k): str(v) for k, v in take(record, "runtime", dict).items()},
    )


def _weights(manifest: JsonObject) -> SeenWeights | None:
    if "weights" not in manifest:
        return None
    facts = take(manifest, "weights", dict)
    return SeenWeights(
        tuple(take({"likeness": one}, "likeness", float) for one in take(facts, "likeness", list)),
        take(facts, "chance", float),
        take(facts, "shared", float),
        take({"compared": 1.0, **facts}, "compared", float),
    )


def _count(manifest: JsonObject, name: str) -> int | None:
    return None if manifest.get(name) is None else take(manifest, name, int)
