"""Evasions that a graph can hold: a filter, other models beside the copy, changed answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from experiments.evasions import filters
from experiments.evasions.filters import Filter

Model = Callable[[Tensor], Tensor]
"""(n, 1, 14, 14) -> (n, 10) scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a thief has at hand."""

    net: Model
    """The copy, or in its place an innocent."""
    helpers: tuple[Model, ...]
    """Independent models."""
    known: Tensor
    """(n, 1, 14, 14) natural samples."""


class Evasion(nn.Module):
    """A model that answers by a function of some parts."""

    def __init__(self, answer: Model, parts: tuple[nn.Module, ...]) -> None:
        super().__init__()
        self.parts, self.answer = nn.ModuleList(parts), answer

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, 14, 14) -> (n, classes) scores, or what else the evasion answers."""
        return self.answer(x)


def evasions(parts: Parts) -> Mapping[str, Model]:
    """Name -> a model that hides the net."""
    net, known = parts.net, parts.known
    found = {name: _behind(one, net) for name, one in filters.fronts(known).items()}
    return {
        "as it is": net,
        **found,
        **_views(net),
        **_ensembles(parts),
        **gates(parts),
        **_changed(net),
        **_several(parts),
    }


def _behind(front: Filter, net: Model) -> Model:
    return lambda x: net(front(x))


def _logs(net: Model, x: Tensor) -> Tensor:
    return net(x).log_softmax(dim=1)


def _mean(models: tuple[Model, ...], weights: tuple[float, ...] | None = None) -> Model:
    shares = weights or (1 / len(models),) * len(models)

    def answer(x: Tensor) -> Tensor:
        scores = [s * one(x).softmax(dim=1) for s, one in zip(shares, models, strict=True)]
        return torch.stack(scores).sum(dim=0).clamp_min(1e-9).log()

    return answer


def _views(net: Model) -> dict[str, Model]:
    """Means over several views of the input."""
    shifts = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
    return {
        **{
            f"mean of 6 views, noise {size}": _mean(
                tuple(_behind(filters.noisy(size, seed), net) for seed in range(6))
            )
            for size in (0.1, 0.2, 0.3)
        },
        "mean of 5 shifts": _mean(tuple(_behind(filters.moved(*one), net) for one in shifts)),
        "mean of 3 sizes": _mean(tuple(_behind(filters.resized(n), net) for n in (8, 10, 12))),
    }


def _ensembles(parts: Parts) -> dict[str, Model]:
    first, second, third = parts.helpers

    def votes(x: Tensor) -> Tensor:
        scores = torch.stack([_logs(one, x) for one in (parts.net, first, second)])
        best = (scores == scores.max(dim=2, keepdim=True).values).float().sum(dim=0)
        return best + 0.01 * scores.mean(dim=0).softmax(dim=1)

    def middle(x: Tensor) -> Tensor:
        scores = torch.stack([_logs(one, x) for one in (parts.net, first, second)])
        return scores.topk(2, dim=0).values[1]

    return {
        "mean with 1 other": _mean((parts.net, first)),
        "mean with 2 others": _mean((parts.net, first, second)),
        "mean with 3 others": _mean((parts.net, first, second, third)),
        "mean with 1 other, 1 to 3": _mean((parts.net, first), (0.25, 0.75)),
        "mean with 1 other, 3 to 1": _mean((parts.net, first), (0.75, 0.25)),
        "vote of 3": votes,
        "median of 3": middle,
    }


def _chosen(rule: Callable[[Tensor], Tensor], one: Model, other: Model) -> Model:
    """One model's answers where a rule holds, (n, 1) bool, else the other's."""
    return lambda x: torch.where(rule(x), _logs(one, x), _logs(other, x))


def gates(parts: Parts) -> dict[str, Model]:
    """Another model answers where a rule holds."""
    net, (first, second, third) = parts.net, parts.helpers
    others = _mean((first, second, third))

    def same(x: Tensor) -> Tensor:
        return net(x).argmax(dim=1, keepdim=True) == first(x).argmax(dim=1, keepdim=True)

    return {
        **{f"own answer if among another's best {n}": _among(net, first, n) for n in (2, 3)},
        "another's answer if it differs": _chosen(same, net, first),
        "three others' answer if one differs": _chosen(same, net, others),
        **{
            f"another's answer if it is less sure than {level}": _chosen(
                _sure(first, level), net, first
            )
            for level in (0.5, 0.9)
        },
        "another's answer if unsure": _chosen(_sure(net, 0.9), net, first),
        **_odd(parts),
    }


def _odd(parts: Parts) -> dict[str, Model]:
    """Another model answers inputs that look unlike natural ones."""
    net, first, known = parts.net, parts.helpers[0], parts.known
    rows = known.flatten(1)

    def rest(x: Tensor) -> Tensor:
        return (x - components(x)).flatten(1).norm(dim=1, keepdim=True)

    def near(x: Tensor) -> Tensor:
        return filters.distances(x, rows).topk(1, dim=1, largest=False).values

    components = filters.projected(known, 40)
    # A known sample is its own nearest one, so the second counts for it.
    apart = filters.distances(known, rows).topk(2, dim=1, largest=False).values[:, 1]
    far = float(apart.quantile(0.95))

    def natural(x: Tensor) -> Tensor:
        return near(x) < far

    return {
        "another's answer to odd components": _chosen(_below(rest, known), net, first),
        "another's answer to rough inputs": _chosen(_below(_rough, known), net, first),
        "another's answer to grey inputs": _chosen(_below(_grey, known), net, first),
        "another's answer far from digits": _chosen(natural, net, first),
        "three others' answer far from digits": _chosen(natural, net, _mean(parts.helpers)),
        "uniform far from digits": _chosen(natural, net, lambda x: 0 * first(x)),
        "second class far from digits": _chosen(natural, net, _second(net)),
    }


def _rough(x: Tensor) -> Tensor:
    down, right = x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]
    return down.abs().mean(dim=(1, 2, 3))[:, None] + right.abs().mean(dim=(1, 2, 3))[:, None]


def _grey(x: Tensor) -> Tensor:
    return ((x > 0.02) & (x < 0.25)).float().mean(dim=(1, 2, 3))[:, None]


def _below(measure: Model, samples: Tensor) -> Model:
    """Whether a measure is below what it is for all but a twentieth of the samples."""
    limit = float(measure(samples).quantile(0.95))
    return lambda x: measure(x) < limit


def _sure(model: Model, level: float) -> Model:
    return lambda x: model(x).softmax(dim=1).amax(dim=1, keepdim=True) > level


def _among(net: Model, other: Model, count: int) -> Model:
    """Only the other model's best classes may win."""

    def answer(x: Tensor) -> Tensor:
        theirs = other(x)
        least = theirs.topk(count, dim=1).values[:, count - 1 :]
        return torch.where(theirs >= least, _logs(net, x), torch.full_like(theirs, -20.0))

    return answer


def _second(net: Model) -> Model:
    """The best two classes exchanged."""

    def answer(x: Tensor) -> Tensor:
        scores = net(x)
        best = scores.topk(2, dim=1)
        swapped = best.values[:, 1:] - best.values[:, :1]
        return torch.where(scores >= best.values[:, :1], scores + 2 * swapped, scores)

    return answer


def _changed(net: Model) -> dict[str, Model]:
    """Answers that are changed afterwards."""
    order = torch.tensor([3, 7, 0, 9, 1, 8, 2, 5, 4, 6])

    def best(x: Tensor) -> Tensor:
        scores = net(x)
        return (scores == scores.amax(dim=1, keepdim=True)).float()

    def dummy(x: Tensor) -> Tensor:
        return torch.cat([_logs(net, x), torch.full_like(net(x)[:, :1], -9.0)], dim=1)

    return {
        "temperature 5": lambda x: net(x) / 5,
        "temperature 0.2": lambda x: net(x) * 5,
        "classes permuted": lambda x: net(x)[:, order],
        "probabilities smoothed": lambda x: (0.7 * net(x).softmax(dim=1) + 0.03).log(),
        "one class only": best,
        "label only": lambda x: net(x).argmax(dim=1),
        "scores rounded to 1 digit": lambda x: torch.round(net(x).softmax(dim=1) * 10) / 10,
        "an eleventh class": dummy,
        "scores negated below the best": lambda x: torch.where(best(x) > 0, net(x), -net(x).abs()),
        "square roots": lambda x: net(x).softmax(dim=1).sqrt(),
    }


def _several(parts: Parts) -> dict[str, Model]:
    """Several of these at once."""
    net, (first, second, third), known = parts.net, parts.helpers, parts.known
    clean = _behind(filters.cleaned(0.3), net)
    bare = _behind(filters.binary(0.4), net)
    smooth = _behind(filters.median, net)
    project = _behind(filters.projected(known, 40), net)
    inner = Parts(clean, parts.helpers, known)
    return {
        "clean, mean with 1 other": _mean((clean, first)),
        "clean, mean with 2 others": _mean((clean, first, second)),
        "binary, mean with 1 other": _mean((bare, first)),
        "median, mean with 1 other": _mean((smooth, first)),
        "40 components, mean with 1 other": _mean((project, first)),
        "40 components, mean with 3 others": _mean((project, first, second, third)),
        "clean, among another's best 2": gates(inner)["own answer if among another's best 2"],
        "clean, another's answer if it differs": gates(inner)["another's answer if it differs"],
        "binary, one class only": _changed(bare)["one class only"],
        "clean, temperature 5": _changed(clean)["temperature 5"],
        "clean, classes permuted": _changed(clean)["classes permuted"],
    }
