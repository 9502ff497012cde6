"""The chain of an evidence file: every question with its answer and time, each bound to the last.

An entry is what was heard at once: its kind, its time, the points by digest, and the digest of the
answers, which are rows of a tensor `heard/<form>` in the order of the entries; another output may
answer in another form. Each entry's digest is taken of itself and of the one before, the first
one's of the bundle and the suspect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from auditkit.core.arrays import Json, JsonObject, Rows
from auditkit.core.errors import EvidenceError
from auditkit.core.evidence import Heard
from auditkit.core.provenance import canonical, sha256
from auditkit.files.container import Tensors, take

FORMAT = "auditkit.chain/1"
PREFIX = "heard/"


@dataclass(frozen=True, slots=True, eq=False)
class Chained:
    """What goes into an evidence file."""

    entries: list[Json]
    tensors: dict[str, Rows]


def chained(heard: Sequence[Heard], bundle: str, suspect: str | None) -> Chained:
    """Chain what was heard.

    Args:
        heard: In the order of time.
        bundle: Digest of the bundle that was asked.
        suspect: Digest of the suspect, if it has one.
    """
    before, entries, parts = _start(bundle, suspect), list[Json](), dict[str, list[Rows]]()
    forms: dict[tuple[object, ...], int] = {}
    for one in heard:
        entry: JsonObject = {"kind": one.kind, "at": one.at, "points": list(one.points)}
        if one.output:
            entry["output"] = one.output
        if one.rows is not None:
            form = forms.setdefault((one.rows.shape[1:], one.rows.dtype), len(forms))
            entry |= {"answers": _digest(one.rows), "form": form}
            parts.setdefault(f"{PREFIX}{form}", []).append(one.rows)
        if one.why:
            entry["why"] = one.why
        before = _next(before, entry)
        entries.append(entry | {"digest": before})
    return Chained(entries, {name: np.concatenate(rows) for name, rows in parts.items()})


def check(manifest: Mapping[str, Json], tensors: Tensors) -> None:
    """Check that each entry follows from the one before, and that the answers are those in it.

    Raises:
        EvidenceError: One does not.
    """
    before = _start(take(manifest, "bundle", str), take(manifest, "suspect", dict).get("digest"))
    left = {name: rows for name, rows in tensors.items() if name.startswith(PREFIX)}
    for number, entry in enumerate(take(manifest, "chain", list), 1):
        before = _next(before, {key: value for key, value in entry.items() if key != "digest"})
        same = True
        if "answers" in entry:
            name, count = f"{PREFIX}{entry['form']}", len(entry["points"])
            part, left[name] = left[name][:count], left[name][count:]
            same = len(part) == count and _digest(part) == entry["answers"]
        if before != entry["digest"] or not same:
            raise EvidenceError(f"entry {number} of the chain does not follow from the one before")
    if any(len(rows) for rows in left.values()):
        raise EvidenceError("there are answers that are in no entry of the chain")


def head(manifest: Mapping[str, Json]) -> str | None:
    """Return the digest of the last entry, which stands for all of them; None without a chain."""
    entries = manifest.get("chain") or []
    return entries[-1]["digest"] if entries else None


def _start(bundle: str, suspect: str | None) -> str:
    return sha256(canonical({"format": FORMAT, "bundle": bundle, "suspect": suspect}))


def _next(before: str, entry: Mapping[str, Json]) -> str:
    return sha256(canonical({"before": before, "entry": dict(entry)}))


def _digest(rows: Rows) -> str:
    return sha256(np.ascontiguousarray(rows).tobytes())
