"""MetaFinger: points that are trained on shadow models (Yang, Wang, Li, IJCAI 2022).

Images are trained, under random input transforms, until copies of the owner ("positives") answer
them alike and independent models ("negatives") answer otherwise. Points come first that do so for
shadow models that were held out. Departures from the paper:

- The shadow models are auditkit's, which are trained in a minute.
- A point's label is the owner's, not the most frequent one among positives.
- The points of the last epoch are used, not those of the best one.
- Median blur is left out, and table rows are not transformed.
- If too few points hold for every held-out model, others fill up the rest, best first.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.core.errors import FingerprintError
from auditkit.core.points import FEWEST
from auditkit.fingerprints.base import Findings, Method, Need, Request
from auditkit.owner.ascent import domain
from auditkit.owner.batches import BATCH
from auditkit.owner.classifier import snapped

__all__ = ["metafinger"]

Net = Callable[[Tensor], Tensor]
"""Maps model inputs (n, *shape) to scores (n, classes)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The numbers of the authors' code for CIFAR-10."""

    rate: float = 0.01  # Adam's learning rate as a share of the input range
    epochs: int = 10  # in each epoch every training positive is the anchor once
    partners: int = 3  # positives, and negatives, that an anchor is compared with in a step
    alpha: float = 1.0  # weight of differing from negatives
    # Starts for each point wanted. The authors' code repeats batches of 70 until enough hold.
    starts_per_point: float = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class _Models:
    """Shadow models: half of each kind to train points on, half held out to judge them by."""

    positives: Sequence[Net]
    negatives: Sequence[Net]
    held_positives: Sequence[Net]
    held_negatives: Sequence[Net]


def find_learnt_points(request: Request, settings: Settings) -> Findings:
    """Train points, and order them by how well they hold for held-out models.

    Raises:
        FingerprintError: There are fewer than 20 samples, or too few copies of the owner that
            still work.
    """
    models = _models(request)
    starts = _starts(request, settings)
    points = snapped(_learnt(request, settings, models, starts), request.owner.spec)
    labels = request.owner.answers(points).argmax(1)
    inputs = request.owner.inputs(points)
    kept = _agreement(models.held_positives, inputs, labels)
    shared = _agreement(models.held_negatives, inputs, labels)
    best = torch.argsort(kept - shared, descending=True, stable=True)[: request.count]
    measured = {
        "hold for every held-out model": int(((kept == 1) & (shared == 0))[best].sum()),
        "positives": [len(models.positives), len(models.held_positives)],
        "negatives": [len(models.negatives), len(models.held_negatives)],
    }
    return request.weighed_by_labels(points[best], measured)


def _models(request: Request) -> _Models:
    """Hold out every other shadow model; the owner itself is a training positive."""
    shadows = request.shadow_models()
    generator = torch.Generator().manual_seed(request.seed)
    # Shuffled, because shadow models come in order of kind: without it a kind might be held out
    # as a whole.
    order = torch.randperm(len(shadows.modified), generator=generator).tolist()
    positives = [shadows.modified[row].scores for row in order]
    order = torch.randperm(len(shadows.independent), generator=generator).tolist()
    negatives = [shadows.independent[row].scores for row in order]
    models = _Models(
        [request.owner.model_scores, *positives[::2]],
        negatives[::2],
        positives[1::2],
        negatives[1::2],
    )
    if not (models.held_positives and models.held_negatives):
        raise FingerprintError(
            "too few changed copies of the model still work (its weights may be frozen into "
            "constants), so there is nothing to learn from"
        )
    return models


def _starts(request: Request, settings: Settings) -> Tensor:
    """Draw samples (n, *shape) in random order."""
    generator = torch.Generator().manual_seed(request.seed)
    points = request.naturals()[0]
    if len(points) < FEWEST:
        raise FingerprintError(
            f"there are only {len(points)} samples to start at (at least {FEWEST} are needed); "
            "give more samples"
        )
    order = torch.randperm(len(points), generator=generator).to(points.device)
    return points[order[: math.ceil(settings.starts_per_point * request.count)]]


def _learnt(request: Request, settings: Settings, models: _Models, starts: Tensor) -> Tensor:
    """Train all points in one batch; the result is (n, *shape) within the owner's domain."""
    owner = request.owner
    generator = torch.Generator().manual_seed(request.seed)
    box = domain(owner)
    # The transforms are the authors', for images in 0..1, so points are trained in that range.
    shares = ((starts - box.lower) / box.span).clamp(0, 1).requires_grad_()
    optimizer = torch.optim.Adam([shares], lr=settings.rate)
    total = settings.epochs * len(models.positives)
    for epoch in range(settings.epochs):
        anchors = torch.randperm(len(models.positives), generator=generator).tolist()
        for number, anchor in enumerate(anchors):
            request.progress("learning points", epoch * len(anchors) + number, total)
            shown = _transformed(shares, generator) if shares.ndim == 4 else shares
            inputs = owner.inputs(box.lower + shown * box.span)
            loss = _loss(settings, models, anchor, inputs, generator)
            (shares.grad,) = torch.autograd.grad(loss, shares)
            optimizer.step()
            shares.data.clamp_(0, 1)
    # Scaling back may overshoot the edges of the range by a rounding error.
    return box.clamp(box.lower + shares.detach() * box.span)


def _loss(
    settings: Settings, models: _Models, anchor: int, inputs: Tensor, generator: torch.Generator
) -> Tensor:
    """Return the loss: the anchor's divergence from other positives, minus that from negatives.

    Args:
        settings: Has the number of partners and the weight of negatives.
        models: Positives and negatives.
        anchor: Row of the positive whose answers are compared.
        inputs: (n, *shape) model inputs.
        generator: Draws the partners.
    """
    logs = models.positives[anchor](inputs).log_softmax(1)
    others = [net for row, net in enumerate(models.positives) if row != anchor]

    def distance(nets: Sequence[Net]) -> Tensor:
        rows = torch.randperm(len(nets), generator=generator)[: settings.partners].tolist()
        # Summed over points. The authors' code averages, by passing "batchmean" to the wrong
        # argument; Adam's steps are the same either way.
        return torch.stack(
            [
                functional.kl_div(
                    logs, nets[row](inputs).log_softmax(1), reduction="sum", log_target=True
                )
                for row in rows
            ]
        ).mean()

    return distance(others) - settings.alpha * distance(models.negatives)


@torch.no_grad()
def _agreement(nets: Sequence[Net], inputs: Tensor, labels: Tensor) -> Tensor:
    """Return (n,): the share of nets, 0..1, that give each point its label."""
    rows = [torch.cat([net(batch) for batch in inputs.split(BATCH)]).argmax(1) for net in nets]
    return (torch.stack(rows) == labels).float().mean(0)


def _transformed(images: Tensor, generator: torch.Generator) -> Tensor:
    """Apply one random transform to images in 0..1; pixels that enter at the edges are 0."""
    kind = int(torch.randint(len(TRANSFORMS), (1,), generator=generator))
    return TRANSFORMS[kind](images, generator)


def _same(images: Tensor, _generator: torch.Generator) -> Tensor:
    return images


def _flipped(images: Tensor, _generator: torch.Generator) -> Tensor:
    return images.flip(-1)


def _sheared(images: Tensor, generator: torch.Generator) -> Tensor:
    across, down = (0.1 * torch.rand(2, generator=generator)).tolist()
    return _warped(images, [[1, across, 0], [down, 1, 0]])


def _resized(images: Tensor, generator: torch.Generator) -> Tensor:
    """Resize to 0.75 to 1.25 times the size, then pad or crop to the old one."""
    zoom = 1 / (0.75 + 0.5 * float(torch.rand(1, generator=generator)))
    return _warped(images, [[zoom, 0, 0], [0, zoom, 0]])


def _translated(images: Tensor, generator: torch.Generator) -> Tensor:
    """Move by up to 5/32 of the width and of the height."""
    # The grid of `affine_grid` runs from -1 to 1, so its whole width is 2: hence 10/32.
    across, down = (10 / 32 * torch.rand(2, generator=generator)).tolist()
    return _warped(images, [[1, 0, -across], [0, 1, -down]])


def _warped(images: Tensor, matrix: Sequence[Sequence[float]]) -> Tensor:
    theta = torch.tensor(matrix, dtype=images.dtype, device=images.device)
    grid = functional.affine_grid(
        theta.expand(len(images), 2, 3), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, align_corners=False)


def _blurred(images: Tensor, _generator: torch.Generator) -> Tensor:
    return functional.avg_pool2d(images, 3, stride=1, padding=1)


def _softened(images: Tensor, _generator: torch.Generator) -> Tensor:
    """Blur with a Gaussian of 3 by 3 pixels."""
    row = torch.tensor([0.25, 0.5, 0.25], device=images.device)
    kernel = torch.outer(row, row).expand(images.shape[1], 1, 3, 3)
    return functional.conv2d(images, kernel, padding=1, groups=images.shape[1])


def _noisy(images: Tensor, generator: torch.Generator) -> Tensor:
    return images + 0.05 * torch.randn(images.shape, generator=generator).to(images)


def _shaken(images: Tensor, generator: torch.Generator) -> Tensor:
    noise = 2 * torch.rand(images.shape, generator=generator) - 1
    return images + 0.05 * noise.to(images)


TRANSFORMS = (
    *(_same, _flipped, _sheared, _resized, _translated),
    *(_blurred, _softened, _noisy, _shaken),
)
"""The transforms of the authors' code, for images in 0..1; one is drawn for each step."""

metafinger = Method(
    find_learnt_points,
    Settings,
    "Yang, Wang, Li: MetaFinger (IJCAI 2022)",
    # Labels are needed by the shadow models, which learn them; the points themselves are not.
    needs=(Need.SAMPLES, Need.LABELS, Need.SHADOWS),
)
