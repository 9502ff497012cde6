"""The report for programs: schema `auditkit.report/1` (docs/report.schema.json)."""

import json
import math
from dataclasses import asdict
from typing import Any, TextIO

from auditkit.reports.base import Report
from auditkit.types import Identification, Outcome, ReferenceKind, Refusal

__all__ = ["write_json"]

SCHEMA = "auditkit.report/1"
DIGITS = 6


def write_json(report: Report, stream: TextIO) -> None:
    """JSON alone: sorted keys, ASCII, no NaN."""
    bundle = asdict(report.bundle)
    bundle["references"] = _counts(report.bundle.references)
    content = {
        "schema": SCHEMA,
        "generated": report.generated,
        "bundle": bundle,
        "versions": dict(report.versions),
        "suspects": [_suspect(outcome) for outcome in report.outcomes],
    }
    json.dump(content, stream, indent=2, sort_keys=True, ensure_ascii=True, allow_nan=False)
    stream.write("\n")


def _suspect(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Refusal):
        return {"suspect": outcome.suspect, "verdict": "refused", "reason": outcome.reason}
    return {
        "suspect": outcome.suspect.name,
        "digest": outcome.suspect.digest,
        "adapter": outcome.suspect.adapter,
        "runtime": dict(outcome.suspect.runtime),
        "verdict": str(outcome.decision),
        "reason": outcome.reason,
        "access": str(outcome.access),
        "queries": outcome.queries,
        "answered": outcome.answered,
        "identifications": [_identification(opinion) for opinion in outcome.identifications],
        "p_homologous": None,
        "p_pirated": None,
        "calibrated": False,
        "references": _counts(outcome.references),
        "notes": list(outcome.notes),
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


def _counts(references: Any) -> dict[str, int]:
    return {str(kind): int(references.get(kind, 0)) for kind in ReferenceKind}
