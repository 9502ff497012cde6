"""What other programs read is valid by their own published schemas."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import xmlschema
from referencing import Registry, Resource

from auditkit.core.access import Access
from auditkit.core.verdicts import Decision, LineUp, Place, Refusal
from tests.reports.test_report_every import (
    HOSTILE,
    hostile,
    hostile_summary,
    report,
    shown,
    verdict,
)

SCHEMAS = Path(__file__).parent / "schemas"
LINED_UP = LineUp(
    Access.LABEL,
    (Place("core labels", (0.9, 0.1, 0.2, 0.15), 12.5),),
    *(0.05, 12.5, 1e-9),
    like_twin=False,
    excluded=("pruned",),
    unseen=("distilled",),
)
OUTCOMES = (
    *(verdict(decision, line_up=LINED_UP, calibrated=True) for decision in Decision),
    verdict(Decision.PIRATED),
    Refusal("gone.onnx", "no such file", "cannot-open"),
)
REPORTS = {
    "every": replace(report(*OUTCOMES), command="auditkit check model.fp 'a b.onnx'"),
    "none": report(),
    **{name: report(*hostile(text)) for name, text in HOSTILE.items()},
    "hostile bundle": report(*hostile("\x1b<&>"), bundle=hostile_summary("\x1b<&>")),
}


def loaded(name):
    return json.loads((SCHEMAS / name).read_text())


@pytest.fixture(scope="module")
def sarif():
    """A check by the schema of SARIF 2.1.0."""
    return jsonschema.Draft7Validator(loaded("sarif-2.1.0.json")).validate


@pytest.fixture(scope="module")
def cyclonedx():
    """A check by the schema of CycloneDX 1.6."""
    beside = {
        "http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json": "jsf-0.82.json",
        "http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json": "spdx.json",
    }
    pairs = [(uri, Resource.from_contents(loaded(name))) for uri, name in beside.items()]
    registry = Registry().with_resources(pairs)
    return jsonschema.Draft7Validator(loaded("bom-1.6.json"), registry=registry).validate


@pytest.mark.parametrize("name", REPORTS)
def test_sarif_is_valid(name, sarif):
    """Code scanners take every report, whatever suspects are called."""
    sarif(json.loads(shown("sarif", REPORTS[name])))


@pytest.mark.parametrize("name", REPORTS)
def test_cyclonedx_is_valid(name, cyclonedx):
    """Readers of bills of materials take every report, whatever suspects are called."""
    cyclonedx(json.loads(shown("cyclonedx", REPORTS[name])))


@pytest.fixture(scope="module")
def junit():
    """A check by the schema of Ant's JUnit task."""
    return xmlschema.XMLSchema(SCHEMAS / "junit.xsd").validate


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "hostile bundle"])
def test_junit_is_valid(name, junit):
    """Build servers take every report, whatever suspects are called."""
    junit(shown("junit", REPORTS[name]))


def test_sarif_levels_follow_the_verdict():
    """Only pirated fails; inconclusive is open, and refused is an error of the run."""
    run = json.loads(shown("sarif", REPORTS["every"]))["runs"][0]
    found = [(one["properties"]["verdict"], one["kind"], one["level"]) for one in run["results"]]
    assert found == [
        ("pirated", "fail", "error"),
        ("homologous", "pass", "none"),
        ("inconclusive", "open", "none"),
        ("pirated", "fail", "error"),
    ]
    assert {one["ruleId"] for one in run["results"]} == {"own"}
    [invocation] = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert "gone.onnx" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_sarif_points_at_the_rule():
    """Each result's rule is found by its index."""
    run = json.loads(shown("sarif", REPORTS["every"]))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])


def test_junit_tells_failures_errors_and_skips_apart():
    """Pirated fails, refused errs, inconclusive is skipped, homologous passes."""
    root = xmlschema.XMLSchema(SCHEMAS / "junit.xsd").to_dict(shown("junit", REPORTS["every"]))
    [suite] = root["testsuite"]
    counts = [suite[f"@{name}"] for name in ("tests", "failures", "errors", "skipped")]
    assert counts == [5, 2, 1, 1]
    results = [{"failure", "error", "skipped"} & set(one) for one in suite["testcase"]]
    assert results == [{"failure"}, set(), {"skipped"}, {"failure"}, {"error"}]


def test_a_claim_comes_with_both_sides_and_no_confidence():
    """Whatever is claimed has evidence and counter-evidence; inconclusive claims nothing."""
    bill = json.loads(shown("cyclonedx", REPORTS["every"]))
    declared = bill["declarations"]
    known = {one["bom-ref"] for one in declared["evidence"]}
    assert [one["target"] for one in declared["claims"]] == ["suspect-1", "suspect-2", "suspect-4"]
    for claim in declared["claims"]:
        assert claim["evidence"]
        assert claim["counterEvidence"]
        assert {*claim["evidence"], *claim["counterEvidence"]} <= known
    assert "confidence" not in json.dumps(bill)


def test_models_are_named_by_their_digest():
    """Owner and suspect are models with the hash of their bytes."""
    owner, suspect, *_ = json.loads(shown("cyclonedx", REPORTS["every"]))["components"]
    assert {owner["type"], suspect["type"]} == {"machine-learning-model"}
    assert (
        owner["hashes"]
        == suspect["hashes"]
        == [{"alg": "SHA-256", "content": "0123456789abcdef" * 4}]
    )


def test_the_same_report_gives_the_same_bill():
    """The serial number is made of the content."""
    assert shown("cyclonedx", REPORTS["every"]) == shown("cyclonedx", REPORTS["every"])
