"""Trains populations, judges everybody in them, and simulates line-ups; see the package."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from auditkit.core.requests import InputFacts, Order
from experiments.lineup import nulls, tables
from experiments.lineup.judging import Asker, Hearing, heard, made_bundle
from experiments.lineup.population import Folder
from experiments.lineup.small import PLANS
from experiments.lineup.training import ANCESTOR, tell, train_all

METHODS = {ANCESTOR: ("lineup:questions=95,natural=150,steps=30", 30)}
"""Settings of the bundle and core points, where they aren't the default: each question to these
models takes a hundred times as long as to the small ones."""


def main() -> None:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python -m experiments.lineup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train", help="train a population")
    training.add_argument("population", choices=(*PLANS, ANCESTOR))
    training.add_argument("--data", type=Path, required=True)
    training.add_argument("--public", type=Path, help="another task's images")
    training.add_argument("--device", default="cpu")
    training.add_argument("--workers", type=int, default=1, help="trainings at once")
    training.add_argument("-o", "--output", type=Path, required=True)
    judging = commands.add_parser("judge", help="print the tables of trained populations")
    judging.add_argument("folders", nargs="+", type=Path)
    judging.add_argument("--alone", action="store_true", help="without twins")
    judging.add_argument("--device", default="cpu")
    judging.add_argument("--workers", type=int, default=1, help="suspects asked at once")
    drifting = commands.add_parser("drift", help="compare differences from the ancestor's weights")
    drifting.add_argument("folder", type=Path, help="of the population that has one")
    simulated = commands.add_parser("null", help="simulate line-ups without copies")
    simulated.add_argument("--replicates", type=int, default=1_000_000)
    simulated.add_argument("--answered", type=int, default=2000, help="replicates with answers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.command == "train":
        train_all(options)
    elif options.command == "judge":
        hearings = [_judged(Folder(path), options) for path in options.folders]
        if len(hearings) > 1 and not options.alone:
            for line in tables.together(hearings):
                tell(line)
    elif options.command == "drift":
        from experiments.lineup import drift

        for line in drift.told(Folder(options.folder)):
            tell(line)
    else:
        for line in nulls.told(options.replicates, options.answered):
            tell(line)


def _judged(folder: Folder, options: argparse.Namespace) -> Hearing:
    """Print the tables of one population."""
    order = replace(_order(folder), device=options.device)
    if options.alone:
        order = replace(order, twins=(), method="", from_scratch=folder.population != ANCESTOR)
    bundle = made_bundle(folder, order, lambda line: print(line, file=sys.stderr, flush=True))
    ask = Asker(folder, bundle, options.device, lambda line: print(line, file=sys.stderr))
    hearing = heard(ask, options.workers)
    for line in tables.told_alone(hearing) if options.alone else tables.told(hearing):
        tell(line)
    return hearing


def _order(folder: Folder) -> Order:
    method, points = METHODS.get(folder.population, ("lineup", 100))
    return Order(
        str(folder.owner),
        samples=folder.samples,
        method=method,
        points=points,
        facts=InputFacts(range=(0, 1)),
        twins=(folder.twins,),
        unfinished=folder.path / "lineup.part",
    )


if __name__ == "__main__":
    main()
