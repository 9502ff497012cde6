"""The report for programs, JSON of schema `auditkit.report/2` (docs/report.schema.json)."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict

from auditkit.core.arrays import JsonObject
from auditkit.core.commitment import Commitment
from auditkit.core.models import ReferenceKind
from auditkit.core.verdicts import Identification, LineUp, Outcome, Refusal, Verdict
from auditkit.reports.base import Corrected, Report, Screen
from auditkit.reports.wording import sentence

__all__ = ["render_json"]

SCHEMA = "auditkit.report/2"
# Few enough that the last bits, which differ between CPUs, don't change the bytes of a report.
DIGITS = 6
UNKNOWN = (
    *("digest", "adapter", "runtime", "access", "queries", "answered", "sent", "references"),
    *("calibrated", "p_homologous", "p_holm", "p_benjamini_hochberg", "line_up"),
)
"""Keys of a verdict that a refusal has too, with the value null, so that programs can rely on
them."""


def render_json(report: Report, _screen: Screen) -> bytes:
    """Return the report as JSON with sorted keys, in ASCII, without NaN or infinity."""
    # ASCII escapes also disarm names with control characters when JSON is printed on a terminal.
    corrected = report.corrected or (None,) * len(report.outcomes)
    content = {
        "schema": SCHEMA,
        "generated": report.generated,
        "bundle": asdict(report.bundle) | {"references": _counts(report.bundle.references)},
        "commitment": _committed(report.commitment),
        "versions": dict(report.versions),
        "suspects": [_suspect(*pair) for pair in zip(report.outcomes, corrected, strict=True)],
    }
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return f"{text}\n".encode()


def _committed(found: Commitment) -> JsonObject:
    return {
        "signed": bool(found.key),
        "key": found.key or None,
        "key_known": found.known,
        "existed_by": found.since or None,
        "authority": found.authority or None,
        "unchecked_stamps": found.unchecked,
    }


def _suspect(outcome: Outcome, corrected: Corrected | None) -> JsonObject:
    if isinstance(outcome, Refusal):
        return _refused(outcome)
    return _judged(outcome) | {
        "p_holm": None if corrected is None else _significant(corrected.holm),
        "p_benjamini_hochberg": (
            None if corrected is None else _significant(corrected.benjamini_hochberg)
        ),
    }


def _refused(refusal: Refusal) -> JsonObject:
    """Return the entry of a suspect that could not be audited."""
    return dict.fromkeys(UNKNOWN) | {
        "suspect": refusal.suspect,
        "verdict": "refused",
        "reason": refusal.reason,
        "reason_code": refusal.code,
        "identifications": [],
        "notes": [],
        "disguises": [],
    }


def _judged(verdict: Verdict) -> JsonObject:
    """Return the entry of a suspect with a verdict, without the corrected p-values."""
    return {
        "suspect": verdict.suspect.name,
        "digest": verdict.suspect.digest,
        "adapter": verdict.suspect.adapter,
        "runtime": dict(verdict.suspect.runtime),
        "verdict": str(verdict.decision),
        "reason": sentence(verdict.reason),
        "reason_code": str(verdict.reason.code),
        "access": str(verdict.access),
        "queries": verdict.queries,
        "answered": verdict.answered,
        "sent": verdict.sent,
        "identifications": [_identification(opinion) for opinion in verdict.identifications],
        "p_homologous": _rounded(verdict.p_homologous),
        "calibrated": verdict.calibrated,
        "line_up": None if verdict.line_up is None else _lined_up(verdict.line_up),
        "references": _counts(verdict.references),
        "notes": list(verdict.notes),
        "disguises": list(verdict.disguises),
    }


def _lined_up(found: LineUp) -> JsonObject:
    return {
        "twins": found.twins,
        "access": str(found.access),
        "p": _rounded(found.p),
        "gap": _rounded(found.gap),
        "p_gap": _significant(found.p_gap),
        "like_twin": found.like_twin,
        "excluded": list(found.excluded),
        "unseen": list(found.unseen),
        "unmeasured": list(found.unmeasured),
        "places": [
            {
                "measure": place.measure,
                "standing": _rounded(place.standing),
                "likeness": [_rounded(one) for one in place.likeness],
            }
            for place in found.places
        ],
    }


def _identification(opinion: Identification) -> JsonObject:
    return {
        "name": opinion.name,
        "says": "abstains" if opinion.says is None else str(opinion.says),
        "reason": sentence(opinion.reason),
        "reason_code": str(opinion.reason.code),
        "value": _rounded(opinion.value),
        "threshold": _rounded(opinion.threshold),
    }


def _rounded(value: float | None) -> float | None:
    """Return a rounded number; None for NaN and infinity, which JSON can't express."""
    return None if value is None or not math.isfinite(value) else round(value, DIGITS)


def _significant(chance: float) -> float:
    """Return a chance that may be far below the last decimal, rounded to as many digits."""
    return float(f"{chance:.{DIGITS}g}")


def _counts(references: Mapping[ReferenceKind, int]) -> dict[str, int]:
    return {str(kind): references[kind] for kind in ReferenceKind if references.get(kind)}
