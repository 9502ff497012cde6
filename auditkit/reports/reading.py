"""Reads a report that `auditkit check -f json` printed, so that it can be shown in other ways.

Sentences are taken as they were written, since the facts behind them are not in a report. Whoever
wrote the file may be a stranger: everything is checked, and nothing in it is run.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from auditkit.core.access import Access
from auditkit.core.arrays import Json, JsonObject
from auditkit.core.commitment import Commitment
from auditkit.core.errors import BundleError, EvidenceError
from auditkit.core.escape import first_line
from auditkit.core.fingerprint import Discrimination, LineUpTerms, Siblings
from auditkit.core.models import ReferenceKind, SuspectRecord
from auditkit.core.verdicts import (
    Decision,
    Identification,
    LineUp,
    Outcome,
    Place,
    Reason,
    Refusal,
    Verdict,
)
from auditkit.files.container import take
from auditkit.reports.base import BundleSummary, Report
from auditkit.reports.build import corrected
from auditkit.reports.json import SCHEMA

Value = TypeVar("Value")
MOST_TWINS = 10_000
"""Most members of a line-up that are read."""


def read_report(content: JsonObject) -> Report:
    """Return the report that a JSON object holds.

    Raises:
        EvidenceError: It holds none of this version, or one that was changed into nonsense.
    """
    try:
        _check_numbers(content)
        if take(content, "schema", str) != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        outcomes = tuple(_outcome(one) for one in take(content, "suspects", list))
        return Report(
            bundle=_summary(take(content, "bundle", dict)),
            outcomes=outcomes,
            versions=_texts(take(content, "versions", dict)),
            generated=take(content, "generated", str),
            corrected=corrected(outcomes),
            commitment=_commitment(take(content, "commitment", dict)),
        )
    except (BundleError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise EvidenceError(f"this is no report that can be read: {first_line(error)}") from error


def _check_numbers(found: Json) -> None:
    """Check that all numbers are finite: JSON can't express others, but 1e999 reads as one."""
    if isinstance(found, dict | list):
        for one in found.values() if isinstance(found, dict) else found:
            _check_numbers(one)
    elif isinstance(found, float) and not math.isfinite(found):
        raise ValueError(f"a number is {found}")


def _summary(bundle: JsonObject) -> BundleSummary:
    siblings, line_up = take(bundle, "siblings", dict), take(bundle, "line_up", dict)
    return BundleSummary(
        digest=take(bundle, "digest", str),
        method=take(bundle, "method", str),
        owner=take(bundle, "owner", str),
        owner_digest=take(bundle, "owner_digest", str),
        classes=take(bundle, "classes", int),
        points=_numbers(take(bundle, "points", dict), int),
        discrimination=Discrimination(take(bundle, "discrimination", str)),
        reason=take(bundle, "reason", str),
        references=_references(take(bundle, "references", dict)),
        created=take(bundle, "created", str),
        transports=_numbers(take(bundle, "transports", dict), float),
        siblings=Siblings(
            tuple(_each(take(siblings, "shares", list), float)), take(siblings, "reason", str)
        ),
        identifications=tuple(_each(take(bundle, "identifications", list), str)),
        line_up=LineUpTerms(
            take(line_up, "twins", int), take(line_up, "doubt", str), take(line_up, "level", float)
        ),
        seed=take(bundle, "seed", int),
    )


def _commitment(found: JsonObject) -> Commitment:
    return Commitment(
        key=_or(found, "key", str, ""),
        known=take(found, "key_known", bool),
        since=_or(found, "existed_by", str, ""),
        authority=_or(found, "authority", str, ""),
        unchecked=take(found, "unchecked_stamps", int),
    )


def _outcome(suspect: JsonObject) -> Outcome:
    name, code = take(suspect, "suspect", str), take(suspect, "reason_code", str)
    said = take(suspect, "verdict", str)
    if said == "refused":
        return Refusal(name, take(suspect, "reason", str), code)
    weighed = take(suspect, "identifications", list)
    return Verdict(
        suspect=SuspectRecord(
            name,
            _or(suspect, "digest", str, None),
            take(suspect, "adapter", str),
            _texts(take(suspect, "runtime", dict)),
        ),
        decision=Decision(said),
        reason=_reason(suspect),
        access=Access(take(suspect, "access", str)),
        queries=take(suspect, "queries", int),
        answered=take(suspect, "answered", int),
        identifications=tuple(map(_identification, weighed)),
        references=_references(take(suspect, "references", dict)),
        notes=tuple(_each(take(suspect, "notes", list), str)),
        line_up=_line_up(suspect),
        calibrated=take(suspect, "calibrated", bool),
        disguises=tuple(_each(take(suspect, "disguises", list), str)),
        sent=_or(suspect, "sent", int, None),
    )


def _reason(found: JsonObject) -> Reason:
    return Reason(take(found, "reason_code", str), {"text": take(found, "reason", str)})


def _identification(found: JsonObject) -> Identification:
    says = take(found, "says", str)
    return Identification(
        name=take(found, "name", str),
        says=None if says == "abstains" else Decision(says),
        reason=_reason(found),
        value=_or(found, "value", float, None),
        threshold=_or(found, "threshold", float, None),
    )


def _line_up(suspect: JsonObject) -> LineUp | None:
    if suspect.get("line_up") is None:
        return None
    found = take(suspect, "line_up", dict)
    places = tuple(map(_place, take(found, "places", list)))
    if len({len(place.likeness) for place in places}) != 1:
        raise ValueError("the line-up's places are of different lengths")
    return LineUp(
        access=Access(take(found, "access", str)),
        places=places,
        p=_chance(found, "p"),
        gap=_or(found, "gap", float, math.inf),
        p_gap=_chance(found, "p_gap"),
        like_twin=take(found, "like_twin", bool),
        excluded=tuple(_each(take(found, "excluded", list), str)),
        unseen=tuple(_each(take(found, "unseen", list), str)),
        unmeasured=tuple(_each(take(found, "unmeasured", list), str)),
    )


def _place(found: JsonObject) -> Place:
    # What was not finite, such as the standing before twins that are alike, was printed as null.
    members = take(found, "likeness", list)
    likeness = tuple(_or({"one": one}, "one", float, math.nan) for one in members)
    if not 2 <= len(likeness) <= MOST_TWINS:
        raise ValueError(f"a line-up has the owner and twins, got {len(likeness)}")
    return Place(take(found, "measure", str), likeness, _or(found, "standing", float, math.inf))


def _chance(found: JsonObject, key: str) -> float:
    value = take(found, key, float)
    if not 0 <= value <= 1:
        raise ValueError(f"{key} lies within 0..1, got {value}")
    return value


def _or(found: JsonObject, key: str, kind: type[Value], other: Any) -> Any:
    """Return a value of this type, or the other one where it is null."""
    return other if found.get(key) is None else take(found, key, kind)


def _each(values: list[Any], kind: type[Value]) -> list[Value]:
    return [take({"one": value}, "one", kind) for value in values]


def _texts(found: JsonObject) -> Mapping[str, str]:
    return {key: take(found, key, str) for key in found}


def _numbers(found: JsonObject, kind: type[Value]) -> Mapping[str, Value]:
    return {key: take(found, key, kind) for key in found}


def _references(found: JsonObject) -> Mapping[ReferenceKind, int]:
    return {ReferenceKind(key): take(found, key, int) for key in found}
