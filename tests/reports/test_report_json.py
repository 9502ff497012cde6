"""The report for programs."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from auditkit.core.models import ReferenceKind
from auditkit.core.verdicts import Decision, Identification, Refusal
from auditkit.reports.base import Screen
from auditkit.reports.json import render_json
from tests.reports.test_report_every import (
    DIGEST,
    HOSTILE,
    REPORTS,
    SO,
    hostile,
    own,
    report,
    summary,
    verdict,
)

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
CONTRACT = {
    *("suspect", "digest", "verdict", "reason", "access", "queries", "answered"),
    *("identifications", "p_homologous", "references", "calibrated"),
    *("adapter", "runtime", "notes", "disguises"),
    *("line_up", "p_holm", "p_benjamini_hochberg", "reason_code", "sent"),
}
KINDS = [*map(verdict, Decision), Refusal("gone.onnx", "no such file")]


def written(*outcomes) -> str:
    """The JSON of a report on these outcomes."""
    return render_json(report(*outcomes), Screen()).decode()


def suspect(outcome) -> dict:
    """One outcome as a program reads it."""
    return json.loads(written(outcome))["suspects"][0]


def test_the_schema_is_one():
    """The published file is a valid JSON Schema 2020-12."""
    Draft202012Validator.check_schema(SCHEMA)


@settings(max_examples=60, deadline=None)
@given(made=REPORTS)
def test_every_report_follows_the_schema(made):
    """Whatever the outcomes, and also without any."""
    VALIDATOR.validate(json.loads(render_json(made, Screen())))


@pytest.mark.parametrize("outcome", KINDS, ids=lambda outcome: type(outcome).__name__)
def test_every_suspect_has_every_key(outcome):
    """A program needs no special case for a refusal, and the schema misses each key."""
    content = json.loads(written(outcome))
    entry = content["suspects"][0]
    assert set(entry) == CONTRACT
    for key in CONTRACT:
        less = {name: value for name, value in entry.items() if name != key}
        assert not VALIDATOR.is_valid(content | {"suspects": [less]}), key


@pytest.mark.parametrize(
    ("outcome", "change"),
    [
        (KINDS[0], {"verdict": "innocent"}),
        (KINDS[0], {"verdict": "refused"}),
        (KINDS[0], {"digest": "sha256:short"}),
        (KINDS[0], {"queries": 0}),
        (KINDS[0], {"p_homologous": 1.5}),
        (KINDS[0], {"identifications": []}),
        (KINDS[0], {"reason_code": ""}),
        (KINDS[0], {"sent": -1}),
        (KINDS[-1], {"verdict": "homologous"}),
        (KINDS[-1], {"p_homologous": 0.1}),
        (KINDS[-1], {"sent": 3}),
        (KINDS[-1], {"reason_code": None}),
        (KINDS[-1], {"identifications": suspect(KINDS[0])["identifications"]}),
    ],
)
def test_the_schema_refuses_what_is_none(outcome, change):
    """A wrong word, an impossible number, or a refusal that looks like a verdict."""
    content = json.loads(written(outcome))
    changed = [content["suspects"][0] | change]
    assert VALIDATOR.is_valid(content)
    assert not VALIDATOR.is_valid(content | {"suspects": changed})


def test_more_keys_may_come():
    """A later version's report still follows this schema."""
    content = json.loads(written(KINDS[0]))
    content["suspects"][0] |= {"new": 1}
    assert VALIDATOR.is_valid(content | {"new": 1, "bundle": content["bundle"] | {"new": 1}})


@pytest.mark.parametrize(
    ("outcome", "word"),
    list(zip(KINDS, ["pirated", "homologous", "inconclusive", "refused"], strict=True)),
)
def test_each_outcome_has_its_word(outcome, word):
    """The three verdicts and the refusal are told apart; none has an error rate yet."""
    entry = suspect(outcome)
    assert entry["verdict"] == word
    assert (entry["p_homologous"], entry["line_up"]) == (None, None)


def test_what_was_run_is_told():
    """Who was asked, through what, how much, and which known models the bundle has."""
    entry = suspect(verdict(references={ReferenceKind.TWIN: 19}, notes=("as asked",)))
    assert (entry["suspect"], entry["digest"], entry["adapter"]) == ("model.onnx", DIGEST, "onnx")
    assert (entry["queries"], entry["answered"], entry["access"]) == (120, 119, "logits")
    assert entry["references"] == {"twin": 19}
    assert (entry["runtime"], entry["notes"]) == ({"onnxruntime": "1.30"}, ["as asked"])
    assert entry["calibrated"] is False


def test_reasons_have_a_code_and_a_sentence():
    """Programs group by the code, people read the sentence; a refusal has its error's code."""
    entry = suspect(verdict(reason=own("so it is"), sent=130))
    assert (entry["reason_code"], entry["reason"], entry["sent"]) == ("own", "so it is", 130)
    assert {one["reason_code"] for one in entry["identifications"]} == {"own"}
    refused = suspect(Refusal("gone.onnx", "no such file", "cannot-open"))
    assert (refused["reason_code"], refused["reason"]) == ("cannot-open", "no such file")
    assert refused["sent"] is None


def test_the_bundle_tells_who_may_speak():
    """The identifications that the bundle names are in the report, as the schema wants."""
    made = report(bundle=summary(identifications=("label_similarity", "own")))
    content = json.loads(render_json(made, Screen()))
    assert content["bundle"]["identifications"] == ["label_similarity", "own"]
    VALIDATOR.validate(content)
    content["bundle"].pop("identifications")
    assert not VALIDATOR.is_valid(content)


def test_numbers_are_rounded_here():
    """Six digits; what is no number is null, and who abstains says so."""
    opinions = (
        Identification("a", Decision.PIRATED, SO, 1 / 3, 2 / 3),
        Identification("b", None, SO, float("nan"), float("inf")),
    )
    first, second = suspect(verdict(identifications=opinions))["identifications"]
    assert (first["value"], first["threshold"]) == (0.333333, 0.666667)
    assert (second["says"], second["value"], second["threshold"]) == ("abstains", None, None)


def test_keys_are_sorted():
    """The text is the one way to write its content, with one line end."""
    text = written(*KINDS)
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_survive_whole(text):
    """ASCII alone on the outside, and the very name inside."""
    output = written(*hostile(text))
    assert output.isascii()
    assert [entry["suspect"] for entry in json.loads(output)["suspects"]] == [text, text]
