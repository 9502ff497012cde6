"""Shadow models for each owner of the small population: `python -m experiments.shadows ZOO DATA`.

What `auditkit shadows` trains from the owner's architecture, its weights and 8,000 of the 16,800
images that it was trained on. None of them is a model of the population. The manifest says where
they are, for `auditkit bench` and `experiments.calibrated`.
"""

import argparse
import functools
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn

from auditkit import api
from auditkit.core.requests import Order, ShadowPlan
from auditkit.files.container import write_whole
from experiments.splits import owners
from experiments.zoo.data import load
from experiments.zoo.nets import new
from experiments.zoo.population import TINY
from experiments.zoo.store import Record

SHAPE, CLASSES, IMAGES = (1, 28, 28), 10, 8000
Factory = Callable[[], nn.Module]


def factory(net: str) -> Factory:
    """What `module:factory` names: an untrained net of the population."""
    return functools.partial(new, net, SHAPE, CLASSES, 0)


lenet, strided, slim = map(factory, TINY.owners)


def main() -> None:
    """Train what is missing and print what it cost."""
    parser = argparse.ArgumentParser(prog="python -m experiments.shadows", description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    known = owners(options.zoo)
    split = load(options.data, limit=TINY.limit).pool.part(*TINY.part)
    samples = options.zoo / "shadows" / "data.npz"
    samples.parent.mkdir(exist_ok=True)
    x = np.ascontiguousarray(split.x[:IMAGES].numpy())
    np.savez(samples, x=x, y=split.y[:IMAGES].numpy())
    with ProcessPoolExecutor(options.workers) as pool:
        jobs = [pool.submit(_train, options.zoo, owner, samples) for owner in known]
        for job in jobs:
            print(job.result(), flush=True)
    _listed(options.zoo, known)


def _train(zoo: Path, owner: Record, samples: Path) -> str:
    torch.set_num_threads(1)
    started = time.perf_counter()
    weights = zoo / str(owner.weights)
    order = Order(f"experiments.shadows:{owner.net}", weights, samples, seed=1, device="cpu")
    told = api.shadows(order, samples.parent / owner.name, ShadowPlan())
    return f"{told} ({time.perf_counter() - started:.0f} s in this run)"


def _listed(zoo: Path, known: list[Record]) -> None:
    path = zoo / "manifest.json"
    contents = json.loads(path.read_text())
    for entry in contents["models"]:
        if entry["name"] in {owner.name for owner in known}:
            entry["shadows"] = f"shadows/{entry['name']}"
    write_whole(path, json.dumps(contents, indent=1).encode())


if __name__ == "__main__":
    main()
