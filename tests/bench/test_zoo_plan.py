"""The benchmark's populations are what the docs say they are."""

import pytest

from auditkit.files.model_folder import HOMOLOGOUS, OWNER, PIRATED
from experiments.zoo.attacks import ATTACKS
from experiments.zoo.population import SCALES, recipes

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("public", [True, False])
def test_parents_come_first_and_names_once(scale, public):
    """A model is built after what it derives from, and no two share a file."""
    seen = set()
    for recipe in recipes(SCALES[scale], public=public):
        assert recipe.name not in seen
        assert set(recipe.parents) <= seen
        assert recipe.owner is None or recipe.owner in seen
        seen.add(recipe.name)


def test_the_small_population_is_large_enough_to_tell():
    """At least 3 owners, 80 copies, and 130 innocents in the owners' own label space."""
    plan = list(recipes(SCALES["tiny"], public=True))
    innocents = [recipe for recipe in plan if recipe.kind == HOMOLOGOUS and not recipe.task]
    assert sum(recipe.kind == OWNER for recipe in plan) >= 3
    assert sum(recipe.kind == PIRATED for recipe in plan) >= 80
    assert len(innocents) >= 130
    kinds = {recipe.how for recipe in innocents}
    assert {"other seed", "other net", "disjoint data", "overlapping data"} <= kinds
    assert {"label smoothing", "other augmentation", "common ancestor"} <= kinds


def test_every_attack_is_used_on_every_owner():
    """No owner is spared one, unless there is no public data."""
    plan = list(recipes(SCALES["tiny"], public=True))
    owners = {recipe.name for recipe in plan if recipe.kind == OWNER}
    copies = [recipe for recipe in plan if recipe.kind == PIRATED]
    assert {(recipe.owner) for recipe in copies} == owners
    assert len(copies) == len(owners) * len(ATTACKS)
