"""The two things DeepCore rests on, measured and plotted for any owner.

    python -m benchmarks.premises model.pt --samples samples.npz \
        --copies fine-tuned.onnx pruned.onnx --homologous other-seed.onnx -o premises.png

1. Does confidence grow with the distance to the decision boundary? Spearman's rank correlation of
   the owner's margin on natural samples with their DeepFool distance (Moosavi-Dezfooli et al.,
   CVPR 2016).
2. Do copies agree more than homologous models where confidence is extreme? Both agreements, on
   samples pushed to another class, over the owner's margin there.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from auditkit.adapters import open_suspect
from auditkit.adapters.base import Options
from auditkit.answers import checked
from auditkit.order import InputFacts
from auditkit.owner.climb import Climb, Gait, margins
from auditkit.owner.domain import Owner, place, snapped
from auditkit.owner.models import load_model
from auditkit.owner.samples import read_samples

LEVELS = (0.25, 0.5, 1, 1.4, 2, 2.8, 4, 5.6, 8)


def main() -> None:
    """Parse, measure, print, plot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.premises", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--copies", nargs="+", required=True)
    parser.add_argument("--homologous", nargs="+", required=True)
    parser.add_argument("--points", type=int, default=150)
    parser.add_argument("-o", "--output", type=Path, default=Path("premises.png"))
    options = parser.parse_args()
    device = torch.device("cpu")
    model = load_model(options.model, options.weights, device)
    owner, samples = place(model, InputFacts(), read_samples(options.samples), device)
    assert samples is not None
    points = owner.tensor(samples.x[: options.points])
    confidence, distance = _first(owner, points)
    rows = _second(owner, points, options.copies, options.homologous)
    _plot(confidence, distance, rows, options.output)
    print(f"plotted in {options.output}")


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


def _second(
    owner: Owner, points: Tensor, copies: list[str], homologous: list[str]
) -> list[tuple[float, float, float]]:
    """(margin, agreement of copies, agreement of homologous models) at each depth."""
    generator = torch.Generator().manual_seed(0)
    own = owner.answers(points).argmax(1)
    shift = torch.randint(1, owner.record.classes, (len(points),), generator=generator)
    targets = (own + shift) % owner.record.classes
    best = owner.answers(points).topk(2, dim=1).values
    unit = float((best[:, 0] - best[:, 1]).median())
    climb = Climb(owner, points, targets, (), 1.0, unit, Gait(80, 0.05, 0.0))
    rows = []
    print("2. margin   copies   homologous   gap     (samples pushed to another class)")
    for level in LEVELS:
        arrived = climb.to(level)
        if arrived.sum() < 20:
            break
        found = snapped(climb.points[arrived], owner.spec)
        aims = targets[arrived].numpy()
        shares = [
            float(np.mean([_agreement(owner, name, found, aims) for name in models]))
            for models in (copies, homologous)
        ]
        rows.append((level * unit, shares[0], shares[1]))
        print(
            f"   {level * unit:6.1f}   {shares[0]:6.2f}   {shares[1]:10.2f}   "
            f"{shares[0] - shares[1]:+.2f}"
        )
    return rows


def _agreement(owner: Owner, suspect: str, points: Tensor, targets: np.ndarray) -> float:
    adapter = open_suspect(suspect, owner.spec, Options("cpu"))
    reply = checked(adapter.answer(points.numpy()), len(points))
    adapter.close()
    labels = reply.argmax(axis=1) if reply.ndim == 2 else reply
    return float((labels == targets).mean())


def _plot(
    confidence: np.ndarray,
    distance: np.ndarray,
    rows: list[tuple[float, float, float]],
    path: Path,
) -> None:
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.scatter(distance, confidence, s=12, alpha=0.6)
    left.set(xlabel="DeepFool distance (L2)", ylabel="owner's margin", title="natural samples")
    depth, copies, homologous = np.array(rows).T
    right.plot(depth, copies, "o-", label="copies")
    right.plot(depth, homologous, "s-", label="homologous")
    right.plot(depth, copies - homologous, "--", color="grey", label="gap")
    right.set(xlabel="owner's margin", ylabel="agreement", title="pushed to another class")
    right.set_ylim(-0.02, 1.02)
    right.legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
