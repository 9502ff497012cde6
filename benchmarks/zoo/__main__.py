"""Train a population: `python -m benchmarks.zoo DATA.npz -o FOLDER`; run again, it goes on."""

import argparse
from pathlib import Path

import torch

from benchmarks.zoo.data import load
from benchmarks.zoo.store import Zoo


def main() -> None:
    """Parse the command line and build what is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.zoo", description=__doc__)
    parser.add_argument("data", type=Path, help="npz of x and y")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--owners", nargs="+", default=["lenet", "resnet"])
    parser.add_argument("--others", nargs="+", default=["vgg", "wide", "mlp"])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--classes", type=int)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = load(options.data, classes=options.classes, limit=options.limit)
    zoo = Zoo(options.output, data)
    for record in zoo.build(options.owners, options.others, options.epochs):
        print(f"{record.name:24} {record.kind:12} accuracy {record.accuracy:.3f}", flush=True)


if __name__ == "__main__":
    main()
