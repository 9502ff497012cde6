"""The owner in its input domain: what shape and range it takes, what kind of scores it returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from auditkit.core.access import Access
from auditkit.core.arrays import FloatArray
from auditkit.core.errors import InputSpecError, OwnerLoadError, SamplesError
from auditkit.core.models import OwnerRecord
from auditkit.core.points import InputSpec
from auditkit.core.requests import InputFacts
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import RawSamples, Samples, arrangements

BATCH = 256
Range = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Owner:
    """A model whose scores can be asked, and differentiated, anywhere in its input domain."""

    model: LoadedModel
    spec: InputSpec
    record: OwnerRecord
    device: torch.device

    def inputs(self, points: Tensor) -> Tensor:
        """Points of the spec's domain -> what the model itself takes."""
        if not self.spec.mean:
            return points
        axes = (1, -1) + (1,) * (points.ndim - 2)
        mean = torch.tensor(self.spec.mean, device=points.device).reshape(axes)
        std = torch.tensor(self.spec.std, device=points.device).reshape(axes)
        return (points - mean) / std

    def scores(self, points: Tensor) -> Tensor:
        """(n, *shape) -> (n, classes): logits, or the logarithm of probabilities."""
        return self.model_scores(self.inputs(points))

    def model_scores(self, inputs: Tensor) -> Tensor:
        """The same of what the model itself takes."""
        outputs = self.model(inputs).float()
        if self.record.output is Access.PROBABILITIES:
            return outputs.clamp_min(torch.finfo(torch.float32).tiny).log()
        return outputs

    @torch.no_grad()
    def answers(self, points: Tensor) -> Tensor:
        """The same in batches and without gradients."""
        return torch.cat([self.scores(batch) for batch in points.split(BATCH)])

    def tensor(self, points: FloatArray) -> Tensor:
        """Points on the owner's device."""
        return torch.from_numpy(np.array(points)).to(self.device)


def place(
    model: LoadedModel, facts: InputFacts, raw: RawSamples | None, device: torch.device
) -> tuple[Owner, Samples | None]:
    """Settle shape and range: the user's word first, then the file's, then the samples'.

    Raises:
        InputSpecError: Nothing tells the shape or the range, or the model refuses such inputs.
        SamplesError: The samples do not fit the model.
    """
    declared = _declared(model.declared)
    shape = facts.shape or declared.get("shape")
    arranged = _arranged(model, raw, shape, device) if raw else None
    if arranged is not None:
        shape = arranged.shape[1:]
    if shape is None:
        raise InputSpecError(
            f"the input's shape can't be read from {model.name!r}; "
            "add --samples FILE or --input-shape, e.g. --input-shape 3,32,32"
        )
    bounds = _bounds(facts, declared, arranged)
    if bounds is None:
        raise InputSpecError(
            f"the input's range can't be read from {model.name!r}; "
            "add --samples FILE or --input-range, e.g. --input-range 0,1"
        )
    spec = _spec(shape, bounds, facts, declared)
    samples = None if raw is None or arranged is None else _scaled(arranged, raw, spec)
    owner = _probed(model, spec, device)
    if samples is not None and samples.y is not None:
        _check_classes(samples, owner.record.classes)
    return owner, samples


def _declared(facts: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    known = ("shape", "lower", "upper", "mean", "std")
    try:
        return {
            key: tuple(np.atleast_1d(np.asarray(facts[key], np.int64 if key == "shape" else float)))
            for key in known
            if key in facts
        }
    except (TypeError, ValueError) as error:
        raise InputSpecError(
            f"the file's own input facts must be numbers or lists of numbers, got {dict(facts)!r}"
        ) from error


def _spec(
    shape: tuple[int, ...],
    bounds: Range,
    facts: InputFacts,
    declared: Mapping[str, tuple[Any, ...]],
) -> InputSpec:
    mean = facts.mean or declared.get("mean", ())
    std = facts.std or declared.get("std", ())
    try:
        return InputSpec(tuple(int(s) for s in shape), *bounds, _floats(mean), _floats(std))
    except ValueError as error:
        raise InputSpecError(
            f"{error}; see --input-shape, --input-range, --mean and --std"
        ) from error


def _floats(values: tuple[Any, ...]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _bounds(
    facts: InputFacts, declared: Mapping[str, tuple[Any, ...]], arranged: NDArray[Any] | None
) -> Range | None:
    if facts.range:
        return (facts.range[0],), (facts.range[1],)
    if "lower" in declared and "upper" in declared:
        return _floats(declared["lower"]), _floats(declared["upper"])
    if arranged is None:
        return None
    if arranged.dtype == np.uint8:
        return (0.0,), (1.0,)
    low, high = float(arranged.min()), float(arranged.max())
    if arranged.ndim == 4:
        return ((0.0,), (1.0,)) if low >= 0 and high <= 1 else ((low,), (high,))
    return _feature_bounds(arranged)


def _feature_bounds(rows: NDArray[Any]) -> Range:
    flat = rows.reshape(len(rows), -1).astype(np.float32)
    lower, upper = flat.min(axis=0), flat.max(axis=0)
    upper = np.where(upper > lower, upper, lower + np.maximum(np.abs(lower), 1) * 1e-3)
    return _floats(tuple(lower)), _floats(tuple(upper))


def _arranged(
    model: LoadedModel, raw: RawSamples, shape: tuple[int, ...] | None, device: torch.device
) -> NDArray[Any]:
    """The samples in the first arrangement of the wanted shape that the model takes."""
    ways = [way for way in arrangements(raw.x) if shape is None or way.shape[1:] == tuple(shape)]
    if not ways:
        raise SamplesError(
            f"samples have shape {raw.x.shape[1:]}, the model takes {tuple(shape or ())}; "
            "give samples of that shape"
        )
    problems = []
    for way in ways:
        probe = torch.from_numpy(np.ascontiguousarray(way[:2], dtype=np.float32)).to(device)
        try:
            with torch.no_grad():
                _checked(model(probe), 2)
        except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
            problems.append(str(error).strip().splitlines()[-1][:160])
        else:
            return way
    raise SamplesError(
        f"the model takes samples of shape {raw.x.shape[1:]} in no arrangement: {problems[0]}; "
        "give samples as the model takes them, or add --input-shape"
    )


def _checked(outputs: Any, count: int) -> Tensor:
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != count:
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(f"the model must return ({count}, classes) scores, got {got}")
    if outputs.shape[1] < 2 or not outputs.is_floating_point():
        raise ValueError(
            f"the model must return a row of 2 or more float scores, "
            f"got {outputs.shape[1]} of {outputs.dtype}"
        )
    return outputs


def _scaled(arranged: NDArray[Any], raw: RawSamples, spec: InputSpec) -> Samples:
    x = np.ascontiguousarray(arranged, dtype=np.float32)
    lower, upper = spec.bounds()
    if arranged.dtype == np.uint8:
        x = lower + x / 255 * (upper - lower)
    if not ((x >= lower) & (x <= upper)).all():
        raise SamplesError(
            f"samples range from {x.min():g} to {x.max():g}, the input from "
            f"{lower.min():g} to {upper.max():g}; check --input-range"
        )
    return Samples(x.astype(np.float32), raw.y)


def _check_classes(samples: Samples, classes: int) -> None:
    if samples.y is not None and not (samples.y.min() >= 0 and samples.y.max() < classes):
        raise SamplesError(
            f"labels range from {samples.y.min()} to {samples.y.max()}, "
            f"the model knows {classes} classes (0 to {classes - 1})"
        )


def _probed(model: LoadedModel, spec: InputSpec, device: torch.device) -> Owner:
    """Ask a few random inputs: is it a classifier, differentiable, logits or probabilities?"""
    blank = Owner(model, spec, OwnerRecord(model.name, model.digest, Access.LOGITS, 0), device)
    lower, upper = spec.bounds()
    noise = np.random.default_rng(0).uniform(size=(8, *spec.shape)).astype(np.float32)
    points = blank.tensor(lower + noise * (upper - lower)).requires_grad_()
    try:
        outputs = _checked(model(blank.inputs(points)), len(noise)).float()
        (slope,) = torch.autograd.grad(outputs.square().sum(), points, allow_unused=True)
    except (RuntimeError, ValueError, IndexError, TypeError, AssertionError) as error:
        line = str(error).strip().splitlines()[-1][:200]
        raise OwnerLoadError(
            f"{model.name!r} can't be fingerprinted with inputs of shape {spec.shape}: {line}"
        ) from error
    if slope is None or not torch.isfinite(outputs).all():
        raise OwnerLoadError(
            f"{model.name!r} gives no gradients or no finite scores for inputs of shape "
            f"{spec.shape} between {min(spec.lower):g} and {max(spec.upper):g}"
        )
    rows = outputs.detach()
    normalised = bool((rows >= 0).all()) and bool((rows.sum(1) - 1).abs().max() < 1e-3)
    output = Access.PROBABILITIES if normalised else Access.LOGITS
    record = OwnerRecord(model.name, model.digest, output, rows.shape[1])
    return Owner(model, spec, record, device)


def sample_labels(owner: Owner, samples: Samples) -> Tensor:
    """(n,) int64: the given labels, or the owner's own where none were given."""
    if samples.y is None:
        return owner.answers(owner.tensor(samples.x)).argmax(1)
    return torch.from_numpy(np.array(samples.y)).to(owner.device)


def snapped(points: Tensor, spec: InputSpec) -> Tensor:
    """Images on the 8-bit grid, so that they survive a PNG file; other points as they are."""
    if not spec.is_image:
        return points
    levels = (points * (255 / spec.upper[0])).round()
    return (levels * (spec.upper[0] / 255)).clamp(0, spec.upper[0])


def torch_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:N` -> the device, made to give the same results each time.

    Raises:
        InputSpecError: CUDA is asked for and not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputSpecError(f"--device {name}: torch sees no CUDA device here; use --device cpu")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return torch.device(name)
