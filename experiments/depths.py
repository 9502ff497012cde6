"""What depth costs and gains: `python -m experiments.depths DATA.npz --zoo FOLDER --owner NAME`.

At each depth: how many points get there, what quick copies keep, what stand-ins share, and, of a
trained zoo, the modified copy that agrees least and the innocent that agrees most.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from auditkit.core.points import FEWEST
from auditkit.core.requests import InputFacts
from auditkit.fingerprints import deepcore
from auditkit.fingerprints.base import Request
from auditkit.fingerprints.core_points import depth
from auditkit.fingerprints.core_points.candidates import Settings
from auditkit.owner.classifier import place, sample_labels
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import RawSamples
from auditkit.owner.standins import train_standins
from experiments.verdicts import MODIFIED, column
from experiments.zoo.data import load
from experiments.zoo.store import Record, Zoo
from experiments.zoo.training import logits


def main() -> None:
    """Print one line a depth, within the narrowest bound."""
    parser = argparse.ArgumentParser(prog="python -m experiments.depths", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--owner", required=True, help="a name in the manifest")
    parser.add_argument("--classes", type=int)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    zoo = Zoo(options.zoo, load(options.data, classes=options.classes, limit=options.limit))
    record = next(record for record in zoo.records() if record.name == options.owner)
    task = deepcore._task(_request(zoo, record), Settings())
    print("depth  points  copies keep  stand-ins share  least modified  closest innocent")
    for found in depth._deeper_and_deeper(task, task.settings.bounds[0]):
        if len(found.points) < FEWEST:
            break
        chosen = deepcore._chosen(task, found)
        modified, innocent = _extremes(zoo, record, found.points[chosen], found.targets[chosen])
        print(
            f"{found.level:5.2f}  {len(found.points):6}  {found.hold():11.2f}  "
            f"{found.share():15.2f}  {modified:14.2f}  {innocent:16.2f}",
            flush=True,
        )


def _request(zoo: Zoo, record: Record) -> Request:
    held_out = zoo.data.held_out
    raw = RawSamples(held_out.x[:1000].contiguous().numpy(), held_out.y[:1000].numpy())
    model = LoadedModel(record.name, "sha256:0", zoo.open(record).requires_grad_(False))
    owner, samples = place(model, InputFacts(), raw, torch.device("cpu"))
    assert samples is not None
    inputs = owner.inputs(owner.tensor(samples.x))
    labels = sample_labels(owner, samples)
    strangers = tuple(train_standins(inputs, labels, owner.record.classes, 0))
    return Request(owner, samples, strangers, 100, 0, lambda *_: None)


def _extremes(zoo: Zoo, owner: Record, points: Tensor, targets: Tensor) -> tuple[float, float]:
    """The least agreement of a working modified copy, the greatest of an innocent."""
    modified, innocent = [1.0], [0.0]
    for record in zoo.records():
        share = float((logits(zoo.open(record), points).argmax(1) == targets).float().mean())
        if record.task:
            continue  # labels of another label space can't agree
        if record.owner == owner.name and column(record) == MODIFIED:
            modified.append(share)
        if record.owner is None and record.name != owner.name:
            innocent.append(share)
    return min(modified), max(innocent)


if __name__ == "__main__":
    main()
