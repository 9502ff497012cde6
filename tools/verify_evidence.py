"""Verify what auditkit signed, without auditkit: a second reader, for whoever trusts no first one.

    python tools/verify_evidence.py BUNDLE --owner OWNER.pub [FILE... --auditor AUDITOR.pub]

Each FILE is evidence (with FILE.sig), a report in JSON (with FILE.sig) or a journal. It takes the
standard library and the package cryptography. Exit code 0: everything holds; 1: the line says what
does not. Verdicts are not reached here: `auditkit judge BUNDLE EVIDENCE...` reaches them again.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import math
import sqlite3
import struct
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

IN_TOTO = "application/vnd.in-toto+json"
JOURNAL = "application/vnd.auditkit.journal+json"
STATEMENT = "https://in-toto.io/Statement/v1"
SIZES = {"U8": 1, "F16": 2, "F32": 4, "I64": 8}
LEFT_OUT = ("versions", "seal")


class WrongError(Exception):
    """Something does not hold; the message says what."""


def main(arguments: list[str] | None = None) -> int:
    """Verify the files of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--owner", type=Path, required=True, help="public key, PEM")
    parser.add_argument("--auditor", type=Path, help="public key, PEM")
    chosen = parser.parse_intermixed_args(arguments)
    if chosen.files and chosen.auditor is None:
        parser.error("--auditor says whose signature the FILEs must have")
    place = chosen.bundle
    try:
        bundle = verify_bundle(place, key_of(chosen.owner))
        heads: dict[str, str] = {}
        # Evidence first: it names the entries that journals must have.
        for place in sorted(chosen.files, key=lambda one: (is_journal(one), is_report(one))):
            verify_file(place, key_of(chosen.auditor), bundle, heads)
    except WrongError as error:
        print(f"WRONG {place}: {error}", file=sys.stderr)
        return 1
    # Whatever a changed file makes Python raise is a file that is not as it was signed.
    except Exception as error:
        print(f"WRONG {place}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def verify_bundle(path: Path, key: bytes) -> dict:
    """Verify a bundle and its commitment; returns its manifest, digest and points."""
    statement = signed(path, key, "urn:auditkit:commitment:1")
    manifest, tensors = container(path)
    digest = sha256(canonical({k: v for k, v in manifest.items() if k not in LEFT_OUT}))
    facts = statement["predicate"]
    if facts["bundle"] != digest:
        raise WrongError(f"it was committed to {facts['bundle']}, the file's digest is {digest}")
    for name in ("owner", "method", "parameters", "seed", "lead"):
        if facts[name] != manifest[name]:
            raise WrongError(f"the commitment's {name} is not the bundle's")
    print(f"ok    {path}: committed to {digest}")
    levels = [struct.pack("<f", n * manifest["spec"]["upper"][0] / 255) for n in range(256)]
    points = {}
    for family in manifest["families"]:
        kind, shape, data = tensors[f"points/{family}"]
        # Images are kept as pixels; a point's digest is of the numbers that they stand for.
        found = b"".join(levels[n] for n in data) if kind == "U8" else data
        each = rows("F32", shape, found)
        points[family] = [sha256(row).removeprefix("sha256:") for row in each]
    return {"digest": digest, "points": points}


def verify_file(path: Path, key: bytes, bundle: dict, heads: dict[str, str]) -> None:
    """Verify evidence, a report or a journal; evidence adds to the heads that journals have."""
    if is_journal(path):
        return verify_journal(path, key, heads)
    if is_report(path):
        return verify_report(path, key, bundle, heads)
    statement = signed(path, key, "urn:auditkit:evidence:1")
    manifest, tensors = container(path)
    if not manifest["bundle"] == statement["predicate"]["bundle"] == bundle["digest"]:
        raise WrongError(
            f"it answers the bundle {manifest['bundle']}, this one is {bundle['digest']}"
        )
    suspect = manifest["suspect"]
    head, heard = verify_chain(manifest, tensors)
    if statement["predicate"]["chain"] != {"entries": len(manifest["chain"]), "head": head}:
        raise WrongError("the chain is not the one that was signed")
    # Where something was undone, scores were rounded or several outputs answered, labels are not
    # simply the largest score.
    several = any("output" in entry for entry in manifest["chain"])
    if not manifest["disguises"] and manifest["access"] != "rounded" and not several:
        compare_labels(tensors, bundle, heard)
    heads[str(suspect["digest"] or suspect["name"])] = suspect["runtime"].get("journal", "")
    print(f"ok    {path}: {len(manifest['chain'])} entries end in {head}")
    return None


def verify_chain(manifest: dict, tensors: dict) -> tuple[str, dict[str, tuple]]:
    """Follow the chain; returns its head, and the first answer to each point."""
    suspect = manifest["suspect"]["digest"]
    start = {"format": "auditkit.chain/1", "bundle": manifest["bundle"], "suspect": suspect}
    before, heard = sha256(canonical(start)), {}
    left = {name: rows(*found) for name, found in tensors.items() if name.startswith("heard/")}
    for number, entry in enumerate(manifest["chain"], 1):
        body = {k: v for k, v in entry.items() if k != "digest"}
        before = sha256(canonical({"before": before, "entry": body}))
        if before != entry["digest"]:
            raise WrongError(f"entry {number} does not follow from the one before")
        if "answers" in entry:
            name = f"heard/{entry['form']}"
            part, left[name] = (
                left[name][: len(entry["points"])],
                left[name][len(entry["points"]) :],
            )
            if len(part) != len(entry["points"]) or sha256(b"".join(part)) != entry["answers"]:
                raise WrongError(f"the answers of entry {number} are not those in the file")
            for point, row in zip(entry["points"], part, strict=True):
                heard.setdefault(point, numbers(tensors[name][0], row))
    if any(left.values()):
        raise WrongError("there are answers that no entry has")
    return before, heard


def compare_labels(tensors: dict, bundle: dict, heard: dict) -> None:
    """Compare the labels that are judged with the answers in the chain."""
    for family, points in bundle["points"].items():
        kind, _, data = tensors[f"answers/{family}/labels"]
        for point, label in zip(points, numbers(kind, data), strict=True):
            row = heard.get(point, (-1,))
            # A row that is no answer, such as one of NaN, is judged as none.
            if all(map(math.isfinite, row)) and not (label == -1 and point in heard):
                said = row[0] if len(row) == 1 else row.index(max(row))
                if said != label:
                    raise WrongError(
                        f"a {family} point is judged as class {label}, heard was {said}"
                    )


def verify_report(path: Path, key: bytes, bundle: dict, heads: dict[str, str]) -> None:
    """Verify a report's signature, and that it is about this bundle and this evidence."""
    signed(path, key, "urn:auditkit:report:1")
    report = json.loads(path.read_bytes())
    if report["bundle"]["digest"] != bundle["digest"]:
        raise WrongError(f"it reports on the bundle {report['bundle']['digest']}")
    names = [one["digest"] or one["suspect"] for one in report["suspects"]]
    kept = sum(name in heads for name in names)
    print(f"ok    {path}: {len(names)} suspects, the evidence of {kept} is here")


def verify_journal(path: Path, key: bytes, heads: dict[str, str]) -> None:
    """Verify a journal's entries and seal, and that evidence is bound to one of its entries."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        entries = file.execute("SELECT * FROM entries ORDER BY number").fetchall()
        seals = file.execute("SELECT entries, head, keyid, signature FROM seal").fetchall()
    head, known = hashlib.sha256(b"auditkit.journal/1").hexdigest(), set()
    for expected, (number, *columns, digest) in enumerate(entries, 1):
        text = json.dumps([head, *columns], separators=(",", ":"))
        head = hashlib.sha256(text.encode()).hexdigest()
        if (number, digest) != (expected, head):
            raise WrongError(f"entry {number} does not follow from the one before")
        known.add(f"sha256:{head}")
    [(count, sealed, keyid, signature)] = seals
    if (count, sealed) != (len(entries), head):
        raise WrongError(f"sealed are {count} entries, {len(entries)} are there")
    message = canonical({"entries": count, "head": sealed})
    same = keyid == f"ed25519:{key.hex()}"
    if not same or not holds(key, bytes.fromhex(signature), JOURNAL, message):
        raise WrongError("the seal is not by the auditor's key")
    missing = [name for name, one in heads.items() if one and one not in known]
    if missing:
        raise WrongError(f"the evidence of {missing[0]!r} names an entry that is not there")
    print(f"ok    {path}: {len(entries)} entries, sealed")


def signed(path: Path, key: bytes, kind: str) -> dict:
    """Verify the envelope beside a file; returns the statement, which names the file's bytes."""
    text = path.with_name(path.name + ".sig").read_bytes()
    envelope = json.loads(text)
    if canonical(envelope) != text or set(envelope) != {"payload", "payloadType", "signatures"}:
        raise WrongError("its envelope is not written as auditkit writes it")
    payload = decoded(envelope["payload"])
    mine = [
        one
        for one in envelope["signatures"]
        if set(one) <= {"keyid", "sig"} and one.get("keyid") in (f"ed25519:{key.hex()}", "", None)
    ]
    if envelope["payloadType"] != IN_TOTO or not any(
        holds(key, decoded(one["sig"]), IN_TOTO, payload) for one in mine
    ):
        raise WrongError("its signature does not hold, or is by another key")
    statement = json.loads(payload)
    if (
        statement["_type"] != "https://in-toto.io/Statement/v1"
        or statement["predicateType"] != kind
    ):
        raise WrongError(f"what is signed is no {kind}")
    [subject] = statement["subject"]
    if subject["digest"] != {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}:
        raise WrongError("it was changed after it was signed")
    return statement


def holds(key: bytes, signature: bytes, kind: str, payload: bytes) -> bool:
    """Whether a signature of DSSE's pre-authentication encoding is by this key."""
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def container(path: Path) -> tuple[dict, dict]:
    """Read a safetensors file; returns its manifest, and each tensor's type, shape and bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    manifest = json.loads(header.pop("__metadata__")["auditkit"])
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        if end - start != SIZES[entry["dtype"]] * math.prod(entry["shape"]):
            raise WrongError(f"the tensor {name} has another size than it says")
        tensors[name] = (entry["dtype"], entry["shape"], body[start:end])
    hashes = {name: sha256(content) for name, (_, _, content) in tensors.items()}
    rest = {k: v for k, v in manifest.items() if k != "seal"}
    if hashes != manifest["tensors"] or sha256(canonical(rest)) != manifest["seal"]:
        raise WrongError("its contents do not match their hashes")
    return manifest, tensors


def rows(kind: str, shape: list[int], data: bytes) -> list[bytes]:
    """Return the bytes of each row of a tensor."""
    size = SIZES[kind] * math.prod(shape[1:])
    return [data[start : start + size] for start in range(0, len(data), size)]


def numbers(kind: str, data: bytes) -> tuple:
    """Return the numbers of a tensor."""
    letter = {"F32": "f", "I64": "q"}[kind]
    return struct.unpack(f"<{len(data) // SIZES[kind]}{letter}", data)


def key_of(path: Path) -> bytes:
    """Return the 32 bytes of a public key."""
    found = load_pem_public_key(path.read_bytes())
    if not isinstance(found, Ed25519PublicKey):
        raise WrongError(f"{path} is no Ed25519 key")
    return found.public_bytes_raw()


def is_journal(path: Path) -> bool:
    """Whether a file begins like an SQLite database."""
    return path.read_bytes()[:16] == b"SQLite format 3\0"


def is_report(path: Path) -> bool:
    """Whether a file begins like JSON."""
    return path.read_bytes()[:1] == b"{"


def decoded(text: str) -> bytes:
    """Decode base64 of which there is one way to write it."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise WrongError("its base64 is written in an odd way")
    return data


def canonical(value: object) -> bytes:
    """Return JSON with sorted keys, without spaces, in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def sha256(data: bytes) -> str:
    """Return `sha256:` and 64 digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
