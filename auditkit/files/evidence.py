"""Evidence files: a suspect's answers, kept so that anyone can judge again without it."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from auditkit.core.access import Access
from auditkit.core.errors import BundleError, EvidenceError
from auditkit.core.evidence import Evidence
from auditkit.core.models import SuspectRecord
from auditkit.core.provenance import sha256
from auditkit.files import container
from auditkit.files.bundle import pack_answers, unpack_answers
from auditkit.files.container import take

VERSION = 1


def file_name(evidence: Evidence) -> str:
    """A name that differs for suspects that differ: `model.onnx.0a1b2c3d.evidence`."""
    plain = re.sub(r"[^\w.-]", "_", Path(evidence.suspect.name).name)[:80]
    identity = evidence.suspect.digest or sha256(evidence.suspect.name.encode())
    return f"{plain}.{identity.removeprefix('sha256:')[:8]}.evidence"


def write(evidence: Evidence, path: Path) -> None:
    """Write the evidence, whole or not at all.

    Raises:
        BundleError: The place can't be written.
    """
    manifest = {
        "format": f"auditkit.evidence/{VERSION}",
        "suspect": {**asdict(evidence.suspect), "runtime": dict(evidence.suspect.runtime)},
        "bundle": evidence.bundle_digest,
        "access": str(evidence.access),
        "classes": evidence.classes,
        "families": list(evidence.answers),
        "notes": list(evidence.notes),
        "asked": evidence.asked,
        "spent": evidence.spent,
        "disguises": list(evidence.disguises),
        "repeated": evidence.repeated,
        "changed": evidence.changed,
    }
    container.write(Path(path), manifest, pack_answers("answers", evidence.answers))


def read(path: Path | str) -> Evidence:
    """Read an evidence file and check every byte of it.

    Raises:
        EvidenceError: Not evidence, of an unknown version, or changed after it was written.
    """
    try:
        contents = container.read(Path(path), "evidence", VERSION)
        manifest = contents.manifest
        suspect = take(manifest, "suspect", dict)
        return Evidence(
            SuspectRecord(
                take(suspect, "name", str),
                suspect.get("digest"),
                take(suspect, "adapter", str),
                {str(k): str(v) for k, v in take(suspect, "runtime", dict).items()},
            ),
            take(manifest, "bundle", str),
            Access(take(manifest, "access", str)),
            _count(manifest, "classes"),
            unpack_answers("answers", take(manifest, "families", list), contents.tensors),
            tuple(str(note) for note in take(manifest, "notes", list)),
            _count(manifest, "asked"),
            _count(manifest, "spent"),
            tuple(str(line) for line in take(manifest, "disguises", list)),
            take(manifest, "repeated", int),
            take(manifest, "changed", int),
        )
    except BundleError as error:
        raise EvidenceError(str(error)) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise EvidenceError(f"{str(path)!r} is no valid evidence: {error}") from error


def _count(manifest: Mapping[str, Any], name: str) -> int | None:
    return None if manifest.get(name) is None else take(manifest, name, int)
