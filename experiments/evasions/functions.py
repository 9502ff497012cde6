"""Evasions that need code: their answers depend on batches, on what was asked before, on chance."""

import io
from collections.abc import Callable, Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from auditkit.files.bundle import Bundle
from experiments.evasions.filters import distances
from experiments.evasions.graphs import Model, Parts

Maker = Callable[[], Model]
"""Makes a model that has not been asked anything yet."""


def evasions(parts: Parts) -> Mapping[str, Maker]:
    """Name -> a maker of a model that hides the net."""
    net, other = parts.net, parts.helpers[0]
    return {
        **{f"JPEG, quality {q}": _always(_compressed(net, q)) for q in (10, 20, 50)},
        **{f"every {n}. row from another": _always(rows_of(net, other, n)) for n in (2, 3, 4)},
        "first half of a batch from another": _always(_halves(net, other)),
        "large batches from another": _always(lambda x: (net if len(x) < 50 else other)(x)),
        **{f"another first, exchanged after {n}": exchanged(other, net, n) for n in (60, 120, 180)},
        **{f"exchanged for another after {n}": exchanged(net, other, n) for n in (10, 30, 60)},
        "another, every second question": _turns(net, other),
        "new inputs from another, asked again own": _again(other, net),
        "random of the two": _drawn(net, other, 0.5),
        "another's in 4 of 5": _drawn(net, other, 0.2),
        **{f"{share:.0%} random labels": _wrong(net, share) for share in (0.03, 0.1)},
        **{f"new noise {size}": _shaken(net, size) for size in (0.1, 0.2, 0.3)},
        "less the batch's mean": _always(lambda x: _less_mean(net(x))),
    }


def informed(parts: Parts, bundle: Bundle) -> Mapping[str, Maker]:
    """Name -> the same by whoever has the bundle, whose points then give nothing away."""
    net, other = parts.net, parts.helpers[0]
    points = torch.from_numpy(np.array(bundle.fingerprint.sheet.points))
    core = torch.from_numpy(np.array(bundle.fingerprint.sheet.of_family("core").points))
    return {
        "knows every question": _always(_recognised(net, other, points)),
        "knows the core points": _always(_recognised(net, other, core)),
    }


def unlearnt(net: nn.Module, core: Tensor, known: Tensor, truth: Tensor) -> nn.Module:
    """Tune a copy until it answers core points otherwise, and natural ones as before.

    Args:
        net: The copy; changed in place.
        core: (n, 1, 14, 14) the bundle's core points.
        known: (m, 1, 14, 14) natural samples.
        truth: (m,) their classes.
    """
    own = net(core).argmax(1)
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-4)
    generator = torch.Generator().manual_seed(5)
    for _ in range(300):
        rows = torch.randint(len(known), (128,), generator=generator)
        chosen = net(core).log_softmax(1).gather(1, own[:, None]).clamp_min(-4)
        loss = functional.cross_entropy(net(known[rows]), truth[rows]) + chosen.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def _always(model: Model) -> Maker:
    return lambda: model


def _compressed(net: Model, quality: int) -> Model:
    def through(image: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    def answer(x: Tensor) -> Tensor:
        images = (x[:, 0].numpy() * 255).round().astype(np.uint8)
        kept = np.stack([through(one) for one in images])[:, None].astype(np.float32) / 255
        return net(torch.from_numpy(kept))

    return answer


def _where(rows: Tensor, net: Model, other: Model, x: Tensor) -> Tensor:
    return torch.where(rows[:, None], net(x), other(x))


def rows_of(net: Model, other: Model, every: int) -> Model:
    """The other model answers the first of every so many rows of a batch."""
    return lambda x: _where(torch.arange(len(x)) % every != 0, net, other, x)


def _halves(net: Model, other: Model) -> Model:
    return lambda x: _where(torch.arange(len(x)) >= len(x) // 2, net, other, x)


def exchanged(first: Model, later: Model, after: int) -> Maker:
    """Another model answers from some question on."""

    def made() -> Model:
        asked = 0

        def answer(x: Tensor) -> Tensor:
            nonlocal asked
            place = torch.arange(asked, asked + len(x))
            asked += len(x)
            return _where(place < after, first, later, x)

        return answer

    return made


def _turns(net: Model, other: Model) -> Maker:
    def made() -> Model:
        asked = 0

        def answer(x: Tensor) -> Tensor:
            nonlocal asked
            place = torch.arange(asked, asked + len(x))
            asked += len(x)
            return _where(place % 2 == 0, net, other, x)

        return answer

    return made


def _again(first: Model, later: Model) -> Maker:
    def made() -> Model:
        seen = set[bytes]()

        def answer(x: Tensor) -> Tensor:
            keys = [row.numpy().tobytes() for row in x]
            new = torch.tensor([key not in seen for key in keys])
            seen.update(keys)
            return _where(new, first, later, x)

        return answer

    return made


def _drawn(net: Model, other: Model, share: float) -> Maker:
    def made() -> Model:
        generator = torch.Generator().manual_seed(6)
        return lambda x: _where(torch.rand(len(x), generator=generator) < share, net, other, x)

    return made


def _wrong(net: Model, share: float) -> Maker:
    def made() -> Model:
        generator = torch.Generator().manual_seed(7)

        def answer(x: Tensor) -> Tensor:
            scores = net(x)
            drawn = torch.randn(scores.shape, generator=generator) * 5
            kept = torch.rand(len(x), generator=generator) >= share
            return torch.where(kept[:, None], scores, drawn)

        return answer

    return made


def _shaken(net: Model, size: float) -> Maker:
    def made() -> Model:
        generator = torch.Generator().manual_seed(8)
        return lambda x: net((x + size * torch.randn(x.shape, generator=generator)).clamp(0, 1))

    return made


def _less_mean(scores: Tensor) -> Tensor:
    return scores - scores.mean(dim=0, keepdim=True) * 0.2


def _recognised(net: Model, other: Model, points: Tensor) -> Model:
    rows = points.flatten(1)

    def answer(x: Tensor) -> Tensor:
        near = distances(x, rows).amin(dim=1) < 0.1
        return _where(~near, net, other, x)

    return answer
