"""What may stand before a model: filters that keep a natural digit's class and little else.

Each maps (n, 1, 14, 14) in 0..1 to the same shape, and can be exported as a graph.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

Filter = Callable[[Tensor], Tensor]


def cleaned(level: float) -> Filter:
    """Pixels below a level become background."""
    return lambda x: torch.where(x < level, torch.zeros_like(x), x)


def binary(level: float) -> Filter:
    """Pixels become 0 or 1."""
    return lambda x: (x > level).float()


def levels(count: int) -> Filter:
    """Pixels are rounded to so many levels."""
    return lambda x: torch.round(x * (count - 1)) / (count - 1)


def steep(slope: float) -> Filter:
    """A soft threshold at one half."""
    return lambda x: torch.sigmoid(slope * (x - 0.5))


def power(exponent: float) -> Filter:
    """Brighter or darker."""
    return lambda x: x.clamp_min(1e-6) ** exponent


def around(x: Tensor) -> Tensor:
    """(n, 9, h, w): each pixel's 3x3 neighbours."""
    padded = functional.pad(x, (1, 1, 1, 1))
    height, width = x.shape[-2:]
    parts = [padded[..., i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return torch.cat(parts, dim=1)


def median(x: Tensor) -> Tensor:
    """The median of each pixel's neighbours."""
    return around(x).topk(5, dim=1).values[:, 4:]


def opened(x: Tensor) -> Tensor:
    """Specks of one pixel are removed: the least of 2x2 neighbours, then the greatest."""
    least = -functional.max_pool2d(-functional.pad(x, (0, 1, 0, 1)), 2, 1)
    return functional.max_pool2d(functional.pad(least, (1, 0, 1, 0)), 2, 1)


def closed(x: Tensor) -> Tensor:
    """Holes of one pixel are filled."""
    most = functional.max_pool2d(functional.pad(x, (0, 1, 0, 1)), 2, 1)
    return -functional.max_pool2d(-functional.pad(most, (1, 0, 1, 0)), 2, 1)


def without_specks(x: Tensor) -> Tensor:
    """Bright pixels without three bright neighbours become background."""
    alone = (around(x) > 0.25).float().sum(dim=1, keepdim=True) < 4
    return torch.where(alone, torch.zeros_like(x), x)


def blurred(weight: float) -> Filter:
    """Mixed with the mean of the neighbours."""
    return lambda x: (1 - weight) * x + weight * around(x).mean(dim=1, keepdim=True)


def sharpened(x: Tensor) -> Tensor:
    """What a blur would take away is added."""
    return (2 * x - around(x).mean(dim=1, keepdim=True)).clamp(0, 1)


def resized(side: int) -> Filter:
    """Made smaller and enlarged again."""

    def through(x: Tensor) -> Tensor:
        less = functional.interpolate(x, (side, side), mode="bilinear", align_corners=False)
        return functional.interpolate(less, (14, 14), mode="bilinear", align_corners=False)

    return through


def moved(down: int, right: int) -> Filter:
    """Shifted by some pixels."""
    rows, columns = (max(down, 0), max(-down, 0)), (max(right, 0), max(-right, 0))

    def through(x: Tensor) -> Tensor:
        padded = functional.pad(x, (columns[0], columns[1], rows[0], rows[1]))
        return padded[..., rows[1] : rows[1] + 14, columns[1] : columns[1] + 14]

    return through


def noisy(size: float, seed: int) -> Filter:
    """The same noise is added to every input."""
    noise = size * torch.randn((1, 1, 14, 14), generator=torch.Generator().manual_seed(seed))
    return lambda x: (x + noise).clamp(0, 1)


def projected(known: Tensor, count: int) -> Filter:
    """Only the first principal components of natural digits are kept."""
    rows = known.flatten(1)
    mean = rows.mean(dim=0)
    basis = torch.linalg.svd(rows - mean, full_matrices=False).Vh[:count]
    return lambda x: ((x.flatten(1) - mean) @ basis.T @ basis + mean).view_as(x).clamp(0, 1)


def recalled(known: Tensor, sharpness: float, share: float) -> Filter:
    """Mixed with a mean of the natural digits that are nearest."""
    rows = known.flatten(1)

    def through(x: Tensor) -> Tensor:
        near = (sharpness * -distances(x, rows)).softmax(dim=1)
        return (share * near @ rows + (1 - share) * x.flatten(1)).view_as(x)

    return through


def distances(x: Tensor, rows: Tensor) -> Tensor:
    """(n, m) squared distances to each of m flattened samples."""
    flat = x.flatten(1)
    return (flat**2).sum(1, keepdim=True) - 2 * flat @ rows.T + (rows**2).sum(1)


def chain(*filters: Filter) -> Filter:
    """One after the other."""

    def through(x: Tensor) -> Tensor:
        for one in filters:
            x = one(x)
        return x

    return through


def fronts(known: Tensor) -> Mapping[str, Filter]:
    """Name -> filter."""
    return {
        **{f"clean below {level}": cleaned(level) for level in (0.2, 0.3, 0.4)},
        **{f"binary at {level}": binary(level) for level in (0.4, 0.5)},
        **{f"{count} grey levels": levels(count) for count in (3, 4, 8)},
        **{f"steep {slope}": steep(slope) for slope in (8, 16)},
        "darker": power(2.0),
        "brighter": power(0.5),
        "median 3x3": median,
        "opened": opened,
        "closed": closed,
        "without specks": without_specks,
        **{f"blur {weight}": blurred(weight) for weight in (0.5, 1.0)},
        "sharpened": sharpened,
        **{f"resized to {side}": resized(side) for side in (12, 9)},
        "shifted by 1": moved(1, 0),
        "shifted by 1 and 1": moved(-1, 1),
        **{f"noise {size}": noisy(size, 1) for size in (0.1, 0.2)},
        **{f"{count} principal components": projected(known, count) for count in (40, 80)},
        "half nearest digits": recalled(known, 1.0, 0.5),
        "median, binary": chain(median, binary(0.4)),
        "40 components, binary": chain(projected(known, 40), binary(0.4)),
        "clean, blurred": chain(cleaned(0.3), blurred(0.5)),
        "resized, clean": chain(resized(9), cleaned(0.3)),
    }
