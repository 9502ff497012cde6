"""Nobody who opens a hostile suspect is harmed, and the honest one beside it gets its verdict."""

import pytest

from tests.hostile.auditing import audited
from tests.hostile.families import FAMILIES

MANY, FAMILIES_AT_LEAST = 400, 20


@pytest.mark.parametrize("name", FAMILIES)
def test_nobody_is_harmed(tmp_path, bundle, name):
    """Each file is refused in one plain line or judged rightly; nothing is run, made or lost."""
    results, harm = audited(bundle, tmp_path, FAMILIES[name])
    assert [one for one in results if not one.is_right] == []
    assert harm.is_none, harm


def test_there_are_many_suspects_of_many_families():
    """The premise: at least 400 suspects in at least 20 families, each with a name of its own."""
    names = [one.name for family in FAMILIES.values() for one in family()]
    assert len(names) == len(set(names)) >= MANY
    assert len(FAMILIES) >= FAMILIES_AT_LEAST
