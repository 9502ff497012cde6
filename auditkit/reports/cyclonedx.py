"""The report as a bill of materials: CycloneDX 1.6, with each verdict as a claim.

A claim comes with what speaks for it and what speaks against it. It has no number of confidence: a
p-value is not the probability that a claim is true.
"""

import json
import re
import uuid
from collections.abc import Iterator

from auditkit.core.arrays import JsonObject
from auditkit.core.verdicts import Identification
from auditkit.reports.accuser import SHOPPING, standing
from auditkit.reports.base import Report, Screen
from auditkit.reports.cases import Case, cases, whole
from auditkit.reports.sureness import sureness

__all__ = ["render_cyclonedx"]

OWNER, TOOL = "owner", "auditkit"
SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
PREDICATES = {
    "pirated": "derived from the owner's model",
    "homologous": "not derived from the owner's model by a kind of copy that is excluded",
}
"""What is claimed; an inconclusive or refused suspect is a component without a claim."""


def render_cyclonedx(report: Report, _screen: Screen) -> bytes:
    """Return a bill of materials in ASCII: owner, suspects, and claims with their evidence."""
    found = list(cases(report))
    claimed = [case for case in found if case.kind in PREDICATES]
    declared = [(case, list(_for(case)), list(_against(report, case))) for case in claimed]
    bill: JsonObject = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": whole(report.generated),
            "tools": {"components": [_tool(report)]},
        },
        "components": [_owner(report), *map(_suspect, found)],
    }
    if declared:
        bill["declarations"] = {
            "claims": [_claim(case, pro, contra) for case, pro, contra in declared],
            "evidence": [
                {"bom-ref": f"{side}-{case.number}-{number}", "description": text}
                for case, pro, contra in declared
                for side, texts in (("for", pro), ("against", contra))
                for number, text in enumerate(texts, 1)
            ],
        }
    # Of the content, so that the same report has the same number.
    content = json.dumps(bill, sort_keys=True)
    bill["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, content).urn
    return f"{json.dumps(bill, indent=2, sort_keys=True, allow_nan=False)}\n".encode()


def _tool(report: Report) -> JsonObject:
    tool: JsonObject = {"type": "application", "bom-ref": TOOL, "name": "auditkit"}
    if version := report.versions.get("auditkit"):
        tool["version"] = whole(version)
    return tool


def _owner(report: Report) -> JsonObject:
    bundle = report.bundle
    return {
        "type": "machine-learning-model",
        "bom-ref": OWNER,
        "name": whole(bundle.owner),
        **_hashes(bundle.owner_digest),
        "properties": [
            {"name": "auditkit:role", "value": "owner"},
            {"name": "auditkit:bundle", "value": whole(bundle.digest)},
            {"name": "auditkit:method", "value": whole(bundle.method)},
        ],
    }


def _suspect(case: Case) -> JsonObject:
    return {
        "type": "machine-learning-model",
        "bom-ref": f"suspect-{case.number}",
        "name": case.name,
        **_hashes(case.digest),
        "properties": [
            {"name": "auditkit:role", "value": "suspect"},
            {"name": "auditkit:verdict", "value": case.kind},
            {"name": "auditkit:reason-code", "value": case.code},
            {"name": "auditkit:reason", "value": case.reason},
        ],
    }


def _hashes(digest: str) -> JsonObject:
    found = SHA256.fullmatch(digest)
    return {"hashes": [{"alg": "SHA-256", "content": found[1]}]} if found else {}


def _claim(case: Case, pro: list[str], contra: list[str]) -> JsonObject:
    return {
        "bom-ref": f"claim-{case.number}",
        "target": f"suspect-{case.number}",
        "predicate": f"{case.words.name}: {PREDICATES[case.kind]}",
        "reasoning": f"{case.reason}. {case.sure}",
        "evidence": [f"for-{case.number}-{place}" for place in range(1, len(pro) + 1)],
        "counterEvidence": [
            f"against-{case.number}-{place}" for place in range(1, len(contra) + 1)
        ],
    }


def _for(case: Case) -> Iterator[str]:
    """Yield what speaks for a claim."""
    verdict = case.verdict
    yield case.reason
    for opinion in _opinions(case):
        if opinion.says is not None and str(opinion.says) == case.kind:
            yield whole(f"{opinion.name}: {_value(opinion.value)}")
    if verdict is not None:
        yield from map(whole, sureness(verdict))


def _against(report: Report, case: Case) -> Iterator[str]:
    """Yield what speaks against a claim, or limits it."""
    for opinion in _opinions(case):
        if opinion.says is not None and str(opinion.says) != case.kind:
            yield whole(f"{opinion.name} says otherwise: {_value(opinion.value)}")
    yield case.words.limit
    if case.excludes:
        yield case.excludes
    yield from map(whole, (*standing(report), SHOPPING))


def _opinions(case: Case) -> tuple[Identification, ...]:
    return () if case.verdict is None else case.verdict.identifications


def _value(value: float | None) -> str:
    return "no value" if value is None else f"value {value:.3f}"
