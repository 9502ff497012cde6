"""The report for code scanning: SARIF 2.1.0, one result for each verdict."""

import hashlib
import json
from pathlib import PurePath
from urllib.parse import quote

from auditkit.core.arrays import JsonObject
from auditkit.reports.accuser import SHOPPING, standing
from auditkit.reports.base import Report, Screen
from auditkit.reports.cases import Case, cases, whole

__all__ = ["render_sarif"]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# SARIF knows levels of failures alone: whatever is no failure has the level none, and its kind says
# what it is. Inconclusive is `open`: not enough is known to decide whether it passes or fails.
KINDS = {
    "pirated": ("fail", "error"),
    "homologous": ("pass", "none"),
    "inconclusive": ("open", "none"),
}


def render_sarif(report: Report, _screen: Screen) -> bytes:
    """Return a SARIF log in ASCII; refused suspects are notifications of the invocation.

    The rule of a result is the code of its reason (docs/report.md).
    """
    found = list(cases(report))
    judged = [case for case in found if case.verdict is not None]
    refused = [case for case in found if case.verdict is None]
    run = {
        "tool": {"driver": _driver(report, judged, refused)},
        "invocations": [_invocation(report, refused)],
        "results": [_result(report, case, judged) for case in judged],
        "properties": {
            "bundle": whole(report.bundle.digest),
            "owner": whole(report.bundle.owner),
            "ownerDigest": whole(report.bundle.owner_digest),
            "accuser": [whole(told) for told in (*standing(report), SHOPPING)],
        },
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    # Cleaned texts are printable; ASCII keeps them apart from what any viewer takes for markup.
    return f"{json.dumps(log, indent=2, ensure_ascii=True, allow_nan=False)}\n".encode()


def _driver(report: Report, judged: list[Case], refused: list[Case]) -> JsonObject:
    driver: JsonObject = {
        "name": "auditkit",
        "rules": [{"id": code} for code in _codes(judged)],
        "notifications": [{"id": code} for code in _codes(refused)],
    }
    if version := report.versions.get("auditkit"):
        driver["version"] = whole(version)
    return driver


def _codes(found: list[Case]) -> list[str]:
    """Return the codes of these suspects, each once, in their order."""
    return list(dict.fromkeys(case.code for case in found))


def _invocation(report: Report, refused: list[Case]) -> JsonObject:
    invocation: JsonObject = {
        "executionSuccessful": not refused,
        "endTimeUtc": whole(report.generated),
        "toolExecutionNotifications": [
            {
                "level": "error",
                "message": {"text": f"refused (could not be audited): {case.name}: {case.reason}"},
                "descriptor": {"id": case.code, "index": number},
                "locations": [_location(case)],
            }
            for case in refused
            for number in [_codes(refused).index(case.code)]
        ],
    }
    if report.command:
        invocation["commandLine"] = whole(report.command)
    return invocation


def _result(report: Report, case: Case, judged: list[Case]) -> JsonObject:
    kind, level = KINDS[case.kind]
    text = f"{case.words.name}: {case.reason}. {case.sure} {case.words.limit}"
    known = f"{report.bundle.digest}\n{case.digest or case.name}"
    return {
        "ruleId": case.code,
        "ruleIndex": _codes(judged).index(case.code),
        "kind": kind,
        "level": level,
        "message": {"text": text},
        "locations": [_location(case)],
        "partialFingerprints": {
            "bundleAndSuspect/v1": hashlib.sha256(known.encode("utf-8", "replace")).hexdigest()
        },
        "properties": {"verdict": case.kind, "digest": case.digest, "excludes": case.excludes},
    }


def _location(case: Case) -> JsonObject:
    """Return where a suspect lies: a file's address, or the name of what is none."""
    logical = {"fullyQualifiedName": case.name, "kind": "resource"}
    location: JsonObject = {"logicalLocations": [logical]}
    if PurePath(case.name).suffix and ":" not in case.name:
        uri = quote(case.name.replace("\\", "/"))
        location["physicalLocation"] = {"artifactLocation": {"uri": uri}}
    return location
