"""What is signed of a file: an in-toto statement v1 that names its bytes and repeats its facts.

All of it follows from the file. So a statement is checked by making it again, and what a court or a
generic tool reads in it can't differ from what the file holds.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from auditkit.core.arrays import Json, JsonObject
from auditkit.core.errors import BundleFormatError, SignatureError
from auditkit.core.points import Sheet, point_digest
from auditkit.core.provenance import canonical
from auditkit.core.reading import contents
from auditkit.files import bundle, container, evidence
from auditkit.files.bundle import Bundle
from auditkit.files.chain import head

STATEMENT = "https://in-toto.io/Statement/v1"
BUNDLE = "urn:auditkit:commitment:1"
EVIDENCE = "urn:auditkit:evidence:1"
REPORT = "urn:auditkit:report:1"
"""Types of predicates; another set of facts gets another number."""


def of(path: Path) -> bytes:
    """Return the statement about a bundle or an evidence file.

    Raises:
        BundleError, EvidenceError: It is neither, or damaged.
    """
    try:
        return _statement(path, BUNDLE, _commitment(bundle.read(path)))
    except BundleFormatError as error:
        if "auditkit.evidence/" not in str(error):
            raise
        return _statement(path, EVIDENCE, _evidence(path))


def of_report(path: Path) -> bytes:
    """Return the statement about a report, of which the bytes are all that is claimed."""
    return _statement(path, REPORT, {})


def check(payload: bytes, path: Path) -> JsonObject:
    """Return a signed statement, if it is that about the file.

    Args:
        payload: From an envelope whose signature holds.
        path: The file.

    Raises:
        SignatureError: It is about another file, or says what the file does not hold.
        BundleError, EvidenceError: The file is damaged.
    """
    found = _parsed(payload)
    if found.get("_type") != STATEMENT:
        got = str(found.get("_type"))[:80]
        raise SignatureError(f"it signs no in-toto statement v1, got {got!r}")
    subjects = found.get("subject")
    one = subjects[0] if isinstance(subjects, list) and len(subjects) == 1 else None
    if not isinstance(one, dict) or one.get("digest") != _digest(path):
        raise SignatureError("it signs another file, or this one was changed after it was signed")
    made = of_report(path) if found.get("predicateType") == REPORT else of(path)
    wanted = json.loads(made)
    # The name alone may differ: files are renamed.
    if canonical(found | {"subject": wanted["subject"]}) != made:
        raise SignatureError(
            "it says what the file does not hold, or was written by another version of auditkit"
        )
    return found


def _parsed(payload: bytes) -> dict[str, Json]:
    try:
        found = json.loads(payload)
        same = canonical(found) == payload
    except (ValueError, RecursionError) as error:
        raise SignatureError("it signs something that is no JSON") from error
    if not same or not isinstance(found, dict):
        raise SignatureError("it signs no statement as auditkit writes it")
    return found


def _statement(path: Path, kind: str, facts: JsonObject) -> bytes:
    subject = {"name": path.name, "digest": _digest(path)}
    return canonical(
        {"_type": STATEMENT, "subject": [subject], "predicateType": kind, "predicate": facts}
    )


def _digest(path: Path) -> dict[str, str]:
    try:
        data = contents(path, container.LARGEST_FILE)
        return {"sha256": hashlib.sha256(data).hexdigest()}
    except OSError as error:
        raise SignatureError(f"{str(path)!r} can't be read: {error.strerror or error}") from error


def _commitment(found: Bundle) -> JsonObject:
    """What an owner binds itself to before a suspect is seen."""
    made = found.fingerprint
    return {
        "bundle": found.digest,
        "owner": asdict(made.owner),
        "method": made.method,
        "parameters": dict(made.parameters),
        "seed": made.seed,
        "lead": made.lead,
        "identifications": list(made.speaking),
        "line_up": asdict(made.line_up),
        "points": made.sheet.counts(),
        "order": _order(made.sheet),
        "discrimination": str(made.discrimination),
        "references": [one.digest for one in found.references],
    }


def _order(sheet: Sheet) -> str:
    """Return a digest of the points' digests in the order of asking."""
    digests = "\n".join(point_digest(point) for point in sheet.points)
    return "sha256:" + hashlib.sha256(digests.encode()).hexdigest()


def _evidence(path: Path) -> JsonObject:
    manifest = evidence.contents(path).manifest
    suspect = container.take(manifest, "suspect", dict)
    return {
        "bundle": container.take(manifest, "bundle", str),
        "suspect": {key: suspect.get(key) for key in ("name", "digest", "adapter")},
        "runtime": suspect.get("runtime"),
        "chain": {"entries": len(manifest.get("chain") or ()), "head": head(manifest)},
        "versions": manifest.get("versions"),
    }
