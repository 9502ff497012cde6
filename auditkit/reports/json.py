"""The report for programs: schema `auditkit.report/1` (docs/report.schema.json)."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TextIO

from auditkit.outcomes import Identification, Refusal, Verdict
from auditkit.reports.base import Report
from auditkit.types import ReferenceKind

__all__ = ["write_json"]

SCHEMA = "auditkit.report/1"
DIGITS = 6
UNKNOWN = (
    *("digest", "adapter", "runtime", "access", "queries", "answered", "references"),
    *("calibrated", "p_homologous", "p_pirated"),
)
"""Keys of a verdict that a refusal has too, without a value."""


def write_json(report: Report, stream: TextIO) -> None:
    """JSON alone: sorted keys, ASCII (nothing that a terminal obeys), no NaN."""
    content = {
        "schema": SCHEMA,
        "generated": report.generated,
        "bundle": asdict(report.bundle) | {"references": _counts(report.bundle.references)},
        "versions": dict(report.versions),
        "suspects": [
            _refused(outcome) if isinstance(outcome, Refusal) else _judged(outcome)
            for outcome in report.outcomes
        ],
    }
    json.dump(content, stream, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
    stream.write("\n")


def _refused(refusal: Refusal) -> dict[str, Any]:
    return dict.fromkeys(UNKNOWN) | {
        "suspect": refusal.suspect,
        "verdict": "refused",
        "reason": refusal.reason,
        "identifications": [],
        "notes": [],
    }


def _judged(verdict: Verdict) -> dict[str, Any]:
    return {
        "suspect": verdict.suspect.name,
        "digest": verdict.suspect.digest,
        "adapter": verdict.suspect.adapter,
        "runtime": dict(verdict.suspect.runtime),
        "verdict": str(verdict.decision),
        "reason": verdict.reason,
        "access": str(verdict.access),
        "queries": verdict.queries,
        "answered": verdict.answered,
        "identifications": [_identification(opinion) for opinion in verdict.identifications],
        "p_homologous": None,
        "p_pirated": None,
        "calibrated": False,
        "references": _counts(verdict.references),
        "notes": list(verdict.notes),
    }


def _identification(opinion: Identification) -> dict[str, Any]:
    return {
        "name": opinion.name,
        "says": "abstains" if opinion.says is None else str(opinion.says),
        "reason": opinion.reason,
        "value": _rounded(opinion.value),
        "threshold": _rounded(opinion.threshold),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, DIGITS)


def _counts(references: Mapping[ReferenceKind, int]) -> dict[str, int]:
    return {str(kind): references.get(kind, 0) for kind in ReferenceKind}
