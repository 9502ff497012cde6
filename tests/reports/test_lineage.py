"""The tree of models that answer alike, and the table of many suspects."""

import re
from dataclasses import replace

import numpy as np
import pytest

from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence
from auditkit.core.models import SuspectRecord
from auditkit.core.verdicts import Decision, Refusal
from auditkit.reports.base import Lineage, Member
from auditkit.reports.cases import cases
from auditkit.reports.lineage import MOST, distances, lineage, voice
from auditkit.reports.summary import MOST_WHOLE, rows
from auditkit.reports.tree import _leaves, tree
from tests.conftest import copy_weights, said_by, stranger_weights
from tests.reports.test_report_every import DIGEST, report, shown, verdict
from tests.reports.test_report_handed_over import ATTACK, Tags


def heard(bundle, weights, number, kind="inconclusive"):
    """The voice of a linear suspect."""
    said = said_by(bundle.fingerprint.sheet.points, weights)
    evidence = Evidence(SuspectRecord("s", None, "onnx", {}), bundle.digest, said, 5)
    return voice(bundle, Member(f"s{number}", kind, number), evidence)


def test_distances_count_the_points_that_both_answered():
    """Shares of different labels; models without a point in common are far apart."""
    labels = np.array([[0, 1, 2, 3], [0, 1, 0, -1], [-1, -1, -1, 3]])
    found = distances(labels)
    assert found[0, 1] == found[1, 0] == pytest.approx(1 / 3)
    assert found[0, 2] == 0
    assert found[1, 2] == 1
    assert not found.diagonal().any()


def test_copies_are_joined_with_the_owner_before_any_twin_is(lined_up):
    """The tree puts copies on the owner's branch, and suspects with one parent on another."""
    family = stranger_weights(900)
    alike = [(family + 0.01 * copy_weights(n)).astype(np.float32) for n in range(2)]
    weights = [*map(copy_weights, range(2)), *alike]
    found = lineage(lined_up, [heard(lined_up, one, n) for n, one in enumerate(weights, 1)])
    branches = [{member.name} for member in found.members]
    for first, second, _ in found.links:
        branches.append(branches[first] | branches[second])
    assert {"the owner", "s1", "s2"} in branches
    assert {"s3", "s4"} in branches
    heights = [height for *_, height in found.links]
    assert heights == sorted(heights)
    assert sorted(_leaves(found)) == list(range(len(found.members)))


def test_who_answered_little_or_has_other_classes_is_left_out(lined_up):
    """Such suspects are counted; a tree takes two that can be compared."""
    said = said_by(lined_up.fingerprint.sheet.points, copy_weights(0))
    evidence = Evidence(SuspectRecord("s", None, "onnx", {}), lined_up.digest, said, 5)
    member = Member("s", "pirated", 1)
    few = np.where(np.arange(len(said.labels)) < 30, said.labels, -1)
    partly = replace(evidence, answers=Answers(few), classes=None)
    assert voice(lined_up, member, partly) is None
    assert voice(lined_up, member, replace(evidence, classes=5)) is not None
    heard_of = [heard(lined_up, copy_weights(n), n + 1) for n in range(2)]
    assert lineage(lined_up, [heard_of[0], None]) is None
    assert lineage(lined_up, [*heard_of, None, None]).left_out == 2


def test_the_accused_are_kept_where_there_are_too_many(lined_up):
    """A picture has room for so many names, and the last are the cleared ones."""
    one = heard(lined_up, stranger_weights(1), 1, "homologous")
    many = [replace(one, member=replace(one.member, number=n)) for n in range(1, MOST + 3)]
    many.append(heard(lined_up, copy_weights(0), 999, "pirated"))
    found = lineage(lined_up, many)
    assert found.left_out == 3
    assert 999 in {member.number for member in found.members}


@pytest.mark.parametrize("name", [ATTACK, "a\u202egpj.onnx", "x" * 500])
def test_a_name_in_the_tree_is_text(name):
    """It brings no markup and no invisible characters, and its end is what is shown of it."""
    found = Lineage((Member("the owner", "owner"), Member(name, "pirated", 1)), ((0, 1, 0.5),), 9)
    drawn = str(tree(found, {1: "#suspect-1"}))
    assert (
        Tags(drawn).tags
        == Tags(
            str(
                tree(
                    replace(found, members=(Member("", "owner"), Member("y", "pirated", 1))),
                    {1: "#suspect-1"},
                )
            )
        ).tags
    )
    assert "\u202e" not in drawn
    assert max(map(len, re.findall(r"</title>(.*?)</text>", drawn))) < 120


def test_a_page_of_many_keeps_a_row_for_each_and_a_section_for_the_accused():
    """Beyond so many suspects only the accused and the first others have sections."""
    cleared, accused = verdict(Decision.HOMOLOGOUS), verdict(Decision.PIRATED)
    others = [Refusal("r", "why", "cannot-open")] * (MOST_WHOLE + 5)
    made = report(*others, accused, cleared)
    table = rows(list(cases(made)))
    assert [row.case.kind for row in table[:2]] == ["pirated", "refused"]
    assert table[-1].case.kind == "homologous"
    assert not table[-1].is_whole
    page = shown("html", made)
    assert page.count("<tr><td><span") == len(others) + 2
    assert page.count('<section class="verdict') == MOST_WHOLE
    many = report(*[accused] * (MOST_WHOLE + 5), cleared)
    assert shown("html", many).count('<section class="verdict') == MOST_WHOLE + 5
    for target in re.findall(r'href="#(suspect-\d+)"', page):
        assert f'id="{target}"' in page
    assert DIGEST in page
