"""A report that was printed as JSON can be read and shown in every other way."""

import copy
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditkit.core.errors import EvidenceError
from auditkit.core.verdicts import Reason, ReasonCode
from auditkit.reports.base import Screen
from auditkit.reports.html import render_html
from auditkit.reports.json import render_json
from auditkit.reports.reading import read_report
from auditkit.reports.wording import sentence
from tests.reports.test_report_schemas import REPORTS

EXPECTED = Path(__file__).parents[1] / "golden" / "expected"
PRINTED = {name: json.loads(render_json(made, Screen())) for name, made in REPORTS.items()}


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_reading_and_printing_again_changes_nothing(name):
    """Each verdict, refusal, line-up and number comes back."""
    assert json.loads(render_json(read_report(PRINTED[name]), Screen())) == PRINTED[name]


@pytest.mark.parametrize("name", ["check-plain.json", "check-lined-up.json", "judge.json"])
def test_reports_of_earlier_versions_are_read(name):
    """What is frozen can be shown as a page."""
    told = json.loads((EXPECTED / name).read_text().rpartition("exit code")[0])
    told["versions"] = {}
    for suspect in told["suspects"]:
        suspect["runtime"] = {}
    assert b"auditkit report" in render_html(read_report(told), Screen())


@pytest.mark.parametrize("code", list(ReasonCode))
def test_a_sentence_stands_without_its_facts(code):
    """Of a code whose sentence takes facts the text that was printed is shown."""
    assert sentence(Reason(code, {"text": "as printed"})) in ("as printed", sentence(Reason(code)))


KEYS = ["suspects", "bundle", "versions", "commitment", "schema", "generated"]
ODD = st.sampled_from([None, 1e999, -1, "x", [], {}, [[]], True, "sha256:", {"shares": [2]}])


def places(value: object, path: tuple = ()) -> list[tuple]:
    """Every place in a JSON value."""
    below = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    for key, inner in below:
        if isinstance(inner, dict | list):
            found += places(inner, (*path, key))
        else:
            found.append((*path, key))
    return found


@given(st.data(), ODD)
def test_odd_values_are_refused_or_shown(data, odd):
    """One value that is something else is one line, or does not matter."""
    told = copy.deepcopy(PRINTED["every"])
    *way, last = data.draw(st.sampled_from(places(told)))
    inner = told
    for key in way:
        inner = inner[key]
    inner[last] = odd
    with suppress(EvidenceError):
        render_html(read_report(told), Screen())
