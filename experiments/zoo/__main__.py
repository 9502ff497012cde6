"""Train a population: `python -m experiments.zoo DATA.npz -o FOLDER`; run again, it goes on."""

import argparse
import time
from pathlib import Path

import torch

from experiments.zoo.plan import Plan
from experiments.zoo.population import SCALES, Recipe
from experiments.zoo.workers import build


def main() -> None:
    """Parse the command line and build what is missing."""
    parser = argparse.ArgumentParser(prog="python -m experiments.zoo", description=__doc__)
    parser.add_argument("data", type=Path, help="npz of x and y")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--public", type=Path, help="npz of another task, as public data")
    parser.add_argument("--scale", choices=list(SCALES), default="tiny")
    parser.add_argument("--owners", nargs="+", help="instead of the scale's")
    parser.add_argument("--others", nargs="+", help="instead of the scale's")
    parser.add_argument("--epochs", type=int, help="instead of the scale's")
    parser.add_argument("--classes", type=int, help="only the first so many")
    parser.add_argument("--limit", type=int, help="at most so many inputs")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="+", help="these models alone, and their parents")
    options = parser.parse_args()
    plan = Plan(
        options.data,
        options.public,
        options.output,
        options.scale,
        None if options.owners is None else tuple(options.owners),
        None if options.others is None else tuple(options.others),
        options.epochs,
        options.classes,
        options.limit,
        options.device,
    )
    zoo, by_name = plan.open()
    started = time.perf_counter()
    wanted = list(by_name.values())
    if options.only:
        names = _with_parents(options.only, by_name)
        wanted = [recipe for recipe in wanted if recipe.name in names]
    facts = {
        "title": f"{options.data.stem}, {options.scale}",
        "scale": options.scale,
        "data": options.data.name,
        "public": options.public and options.public.name,
    }
    for record in build(plan, zoo, wanted, facts, options.workers):
        print(
            f"{time.perf_counter() - started:6.0f} s  {record.name:26} {record.how:28} "
            f"accuracy {record.accuracy:.3f}{', broken' if record.broken else ''}",
            flush=True,
        )


def _with_parents(names: list[str], by_name: dict[str, Recipe]) -> set[str]:
    found: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        found.add(name)
        queue += [parent for parent in by_name[name].parents if parent not in found]
    return found


if __name__ == "__main__":
    main()
