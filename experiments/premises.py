"""The two things DeepCore rests on, measured for each owner of a population.

    python -m experiments.premises zoo -o premises.png

1. Does confidence grow with the distance to the decision boundary? Spearman's rank correlation of
   the owner's margin on natural samples with their DeepFool distance (Moosavi-Dezfooli et al.,
   CVPR 2016).
2. Do copies agree more than homologous models where confidence is extreme? Both agreements, on
   samples pushed to another class, over the owner's margin there. Copies are the working modified
   ones, homologous models all of the owner's label space.
"""

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy.stats import spearmanr
from torch import Tensor

from auditkit.adapters import identified, open_suspect
from auditkit.core.requests import InputFacts, Options, Patience
from auditkit.files.model_folder import (
    HOMOLOGOUS,
    OWNER,
    PIRATED,
    Model,
    ModelFolder,
    read_model_folder,
)
from auditkit.owner.ascent import Climb, Gait, margins
from auditkit.owner.classifier import Owner, place, snapped
from auditkit.owner.opening import load_model
from auditkit.owner.samples import read_samples
from auditkit.suspects.client import Client
from auditkit.suspects.log import Memory
from experiments.verdicts import COLUMN_OF

LEVELS = (0.25, 0.5, 1, 1.4, 2, 2.8, 4, 5.6, 8)
FEWEST = 20
"""Points that must get so deep."""


class Second(NamedTuple):
    """Agreement with the owner at one depth; innocents also at their closest."""

    margin: float
    copies: float
    homologous: float
    closest: float


def main() -> None:
    """Measure, print, plot."""
    parser = argparse.ArgumentParser(prog="python -m experiments.premises", description=__doc__)
    parser.add_argument("folder", type=Path, help="models of known kind (docs/benchmarking.md)")
    parser.add_argument("--points", type=int, default=150)
    parser.add_argument("-o", "--output", type=Path, default=Path("premises.png"))
    options = parser.parse_args()
    population = read_model_folder(options.folder)
    owners = population.of(OWNER)
    mpl.use("Agg")
    figure, axes = plt.subplots(
        2, len(owners), figsize=(3 * len(owners), 6), layout="constrained", squeeze=False
    )
    for (first, second), model in zip(axes.T, owners, strict=True):
        print(f"\n{model.name}", flush=True)
        owner, points = _opened(model, population.samples, options.points)
        confidence, distance = _first(owner, points)
        rows = _second(owner, points, *_suspects(population, model))
        _plot_first(first, model.name, confidence, distance)
        _plot_second(second, rows)
    axes[1, 0].legend()
    figure.savefig(options.output, dpi=80)
    print(f"plotted in {options.output}")


def _opened(model: Model, file: Path, count: int) -> tuple[Owner, Tensor]:
    device = torch.device("cpu")
    loaded = load_model(str(model.model), None, device)
    owner, samples = place(loaded, InputFacts(), read_samples(file), device)
    assert samples is not None
    return owner, owner.tensor(samples.x[:count])


def _suspects(population: ModelFolder, owner: Model) -> tuple[list[str], list[str]]:
    known = [m for m in population.suspects(owner) if not (m.task or m.broken)]
    modified = [m for m in known if m.kind == PIRATED and m.how not in COLUMN_OF]
    innocent = [m for m in known if m.kind == HOMOLOGOUS]
    return [model.file for model in modified], [model.file for model in innocent]


def _first(owner: Owner, points: Tensor) -> tuple[np.ndarray, np.ndarray]:
    scores = owner.answers(points)
    confidence = margins(scores, scores.argmax(1)).numpy()
    distance = deepfool(owner, points).numpy()
    found = spearmanr(confidence, distance)
    print(
        f"1. rank correlation of margin and DeepFool distance on {len(points)} natural samples: "
        f"{found.statistic:.2f}"
    )
    return confidence, distance


def deepfool(owner: Owner, starts: Tensor, steps: int = 30) -> Tensor:
    """(n, *shape) -> (n,): L2 length of the least change found that changes the label."""
    labels = owner.answers(starts).argmax(1)
    points = starts.clone()
    for _ in range(steps):
        inside = owner.answers(points).argmax(1) == labels
        if not inside.any():
            break
        points[inside] += 1.02 * _step(owner, points[inside], labels[inside])
    return (points - starts).flatten(1).norm(dim=1)


def _step(owner: Owner, points: Tensor, labels: Tensor) -> Tensor:
    """The shortest way to the nearest linearised boundary."""
    leaf = points.clone().requires_grad_()
    scores = owner.scores(leaf)
    own = scores.gather(1, labels[:, None])[:, 0]
    best = torch.full((len(points),), torch.inf)
    way = torch.zeros_like(points)
    for other in range(scores.shape[1]):
        gap = own - scores[:, other]
        (slope,) = torch.autograd.grad(gap.sum(), leaf, retain_graph=True)
        norm = slope.flatten(1).norm(dim=1).clamp_min(1e-9)
        length = torch.where(labels == other, torch.inf, gap.detach().abs() / norm)
        nearer = length < best
        best = torch.where(nearer, length, best)
        scaled = -(gap.detach().abs() + 1e-4) / norm.square()
        step = scaled.reshape(-1, *[1] * (points.ndim - 1)) * slope
        way[nearer] = step[nearer]
    return way


def _second(owner: Owner, points: Tensor, copies: list[str], homologous: list[str]) -> list[Second]:
    generator = torch.Generator().manual_seed(0)
    own = owner.answers(points).argmax(1)
    shift = torch.randint(1, owner.record.classes, (len(points),), generator=generator)
    targets = (own + shift) % owner.record.classes
    best = owner.answers(points).topk(2, dim=1).values
    unit = float((best[:, 0] - best[:, 1]).median())
    climb = Climb(owner, points, targets, (), 1.0, unit, Gait(80, 0.05, 0.0))
    rows = []
    print("2. margin   copies   homologous   closest   (samples pushed to another class)")
    for level in LEVELS:
        arrived = climb.to(level)
        if arrived.sum() < FEWEST:
            break
        found, aims = snapped(climb.points[arrived], owner.spec), targets[arrived].numpy()
        known = [_agreement(owner, name, found, aims) for name in copies]
        innocent = [_agreement(owner, name, found, aims) for name in homologous]
        row = Second(
            level * unit, float(np.mean(known)), float(np.mean(innocent)), float(np.max(innocent))
        )
        rows.append(row)
        print(
            f"   {row.margin:6.1f}   {row.copies:6.2f}   {row.homologous:10.2f}   "
            f"{row.closest:7.2f}",
            flush=True,
        )
    return rows


def _agreement(owner: Owner, suspect: str, points: Tensor, targets: np.ndarray) -> float:
    with contextlib.closing(open_suspect(identified(suspect), Options("cpu"))) as adapter:
        client = Client(adapter, owner.spec, Patience(), Memory())
        reply = client.answer(points.numpy(), owner.spec)
    labels = reply.argmax(axis=1) if reply.ndim == 2 else reply
    return float((labels == targets).mean())


def _plot_first(axes: Axes, title: str, confidence: np.ndarray, distance: np.ndarray) -> None:
    axes.scatter(distance, confidence, s=8, alpha=0.6)
    axes.set(xlabel="DeepFool distance (L2)", ylabel="owner's margin", title=title)


def _plot_second(axes: Axes, rows: Sequence[Second]) -> None:
    depth, copies, homologous, closest = np.array(rows).T
    axes.plot(depth, copies, "o-", label="modified copies, mean")
    axes.plot(depth, homologous, "s-", label="homologous, mean")
    axes.plot(depth, closest, "^--", color="grey", label="closest homologous")
    axes.set(xlabel="owner's margin", ylabel="agreement", ylim=(-0.02, 1.02))


if __name__ == "__main__":
    main()
