"""Does the full scale run? `python -m experiments.zoo.smoke DATA.npz --public PUBLIC.npz`

One epoch on a few hundred images: every owner, and for the first of them one model of each attack
and of each kind of innocent, with their ONNX files.
"""  # noqa: D415

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path

from auditkit.files.model_folder import OWNER
from experiments.zoo.plan import Plan
from experiments.zoo.population import Recipe
from experiments.zoo.workers import build

LIMIT = 300


def main() -> None:
    """Build them in a folder that is thrown away; any failure is a traceback."""
    parser = argparse.ArgumentParser(prog="python -m experiments.zoo.smoke", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--public", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(options.data, options.public, Path(folder), "full", epochs=1, limit=LIMIT)
        zoo, by_name = plan.open()
        wanted = _one_of_each(by_name.values())
        for record in build(plan, zoo, wanted, {"title": "smoke"}, 2):
            print(f"{record.name:28} {record.how:28} {record.net}", flush=True)
        print(f"{len(wanted)} models, {len({recipe.how for recipe in wanted})} kinds")


def _one_of_each(recipes: Iterable[Recipe]) -> list[Recipe]:
    """The first of each kind, attack and net of the first owner, with parents."""
    chosen: dict[tuple[str, ...], Recipe] = {}
    needed: set[str] = set()
    every = list(recipes)
    first = next(recipe for recipe in every if recipe.kind == OWNER)
    for recipe in every:
        of_first = recipe.owner in (None, first.name)
        alone = recipe.name if recipe.kind == OWNER or recipe.owner else ""
        if of_first and chosen.setdefault((recipe.how, recipe.task, alone), recipe) is recipe:
            needed |= {recipe.name, *recipe.parents}
    return [recipe for recipe in every if recipe.name in needed]


if __name__ == "__main__":
    main()
