"""The owner's model in its input domain: shape, range, normalisation and kind of scores."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from auditkit.core.access import Access
from auditkit.core.arrays import FloatArray, Rows
from auditkit.core.errors import InputSpecError, OwnerLoadError, SamplesError
from auditkit.core.models import OwnerRecord
from auditkit.core.points import InputSpec
from auditkit.core.requests import InputFacts
from auditkit.owner.batches import BATCH, MODEL_ERRORS, checked, laid_out, sized
from auditkit.owner.input_facts import declared_numbers, input_bounds, input_spec
from auditkit.owner.opening import LoadedModel
from auditkit.owner.room import AtOnce, answered_at_once
from auditkit.owner.samples import RawSamples, Samples, arrangements

SATURATED = 1e-6
"""Sigmoids are taken to lie so far from 0 and 1 at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Owner:
    """A model that gives scores, and their gradients, anywhere in its input domain.

    Points lie in the domain of `spec`; the model itself takes them normalised by its mean and std.
    """

    model: LoadedModel
    spec: InputSpec
    record: OwnerRecord
    device: torch.device
    is_sigmoid: bool = False
    """Whether the model returns sigmoids of its logits, one class apart from the other."""

    def inputs(self, points: Tensor) -> Tensor:
        """Normalise points (n, *shape) of the spec's domain into what the model itself takes."""
        if not self.spec.mean:
            return points
        axes = (1, -1) + (1,) * (points.ndim - 2)
        mean = torch.tensor(self.spec.mean, device=points.device).reshape(axes)
        std = torch.tensor(self.spec.std, device=points.device).reshape(axes)
        return (points - mean) / std

    def scores(self, points: Tensor) -> Tensor:
        """Return (n, classes) for points (n, *shape): logits, or the logarithm of probabilities.

        Sigmoids are turned back into logits, which have slopes where sigmoids have none.
        """
        return self.model_scores(self.inputs(points))

    def model_scores(self, inputs: Tensor) -> Tensor:
        """Return (n, classes) for inputs (n, *shape) as the model itself takes them."""
        outputs = self.model(inputs).float()
        # Logarithms have slopes where probabilities are saturated at 0 and 1, and their margins
        # are those of the logits, so that both kinds of owner have the same depths.
        if self.record.output is Access.PROBABILITIES:
            return outputs.clamp_min(torch.finfo(torch.float32).tiny).log()
        return outputs.logit(SATURATED) if self.is_sigmoid else outputs

    @torch.no_grad()
    def answers(self, points: Tensor) -> Tensor:
        """Return `scores` of any number of points, without gradients."""
        return AtOnce(answered_at_once(points, BATCH)).each(self.scores, points)

    def tensor(self, points: FloatArray) -> Tensor:
        """Copy an array to the owner's device."""
        # Copied, because torch can't wrap the read-only arrays of frozen types.
        return torch.from_numpy(np.array(points)).to(self.device)


def place(
    model: LoadedModel, facts: InputFacts, raw: RawSamples | None, device: torch.device
) -> tuple[Owner, Samples | None]:
    """Settle the input's shape and range, and bring the samples into that domain.

    What the user says (`facts`) comes first, then what the file declares, then what the samples
    show. The samples are None if `raw` is.

    Raises:
        InputSpecError: Nothing tells the shape or the range, or the model refuses such inputs.
        SamplesError: The samples do not fit the model.
        OwnerLoadError: The model is no classifier, or gives no gradients.
    """
    declared = declared_numbers(model.declared)
    shape = facts.shape or declared.get("shape")
    arranged = _arranged(model, raw, shape, device) if raw else None
    if arranged is not None:
        shape = arranged.shape[1:]
    if shape is None:
        raise InputSpecError(
            f"the input's shape can't be read from {model.name!r}; "
            "add --samples FILE or --input-shape, e.g. --input-shape 3,32,32"
        )
    bounds = input_bounds(facts, declared, arranged)
    if bounds is None:
        raise InputSpecError(
            f"the input's range can't be read from {model.name!r}; "
            "add --samples FILE or --input-range, e.g. --input-range 0,1"
        )
    spec = input_spec(shape, bounds, facts, declared)
    samples = None if raw is None or arranged is None else _scaled(arranged, raw, spec)
    owner = probed(model, spec, device)
    if raw is not None and raw.y is not None:
        _check_classes(raw, owner.record.classes)
    return owner, samples


def _arranged(
    model: LoadedModel, raw: RawSamples, shape: tuple[int, ...] | None, device: torch.device
) -> Rows:
    """Return the samples in the first arrangement of the wanted shape that the model takes."""
    ways = [way for way in arrangements(raw.x) if shape is None or way.shape[1:] == tuple(shape)]
    if not ways:
        raise SamplesError(
            f"samples have shape {raw.x.shape[1:]}, the model takes {tuple(shape or ())}; "
            "give samples of that shape"
        )
    problems = []
    for way in ways:
        # Two samples are enough to see whether the model takes the shape.
        probe = torch.from_numpy(np.ascontiguousarray(way[:2], dtype=np.float32)).to(device)
        try:
            sized(model, probe)
        except MODEL_ERRORS as error:
            problems.append(str(error).strip().splitlines()[-1][:160])
        else:
            return way
    raise SamplesError(
        f"the model takes samples of shape {raw.x.shape[1:]} in no arrangement: {problems[0]}; "
        "give samples as the model takes them, or add --input-shape"
    )


def _scaled(arranged: Rows, raw: RawSamples, spec: InputSpec) -> Samples:
    """Bring arranged samples into the spec's domain; bytes are scaled to its range."""
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


def _check_classes(samples: RawSamples, classes: int) -> None:
    if samples.guessed not in (0, classes):
        raise SamplesError(
            f"there are {samples.guessed} folders of samples, the model knows {classes} classes; "
            "name each folder by the number of its class, or add --classes with a file that names "
            "all classes, one a line, in the order of the model's outputs"
        )
    if samples.y is not None and not (samples.y.min() >= 0 and samples.y.max() < classes):
        raise SamplesError(
            f"labels range from {samples.y.min()} to {samples.y.max()}, "
            f"the model knows {classes} classes (0 to {classes - 1})"
        )


def probed(model: LoadedModel, spec: InputSpec, device: torch.device) -> Owner:
    """Ask a few random inputs to see that the model is a differentiable classifier.

    The answers also tell whether it returns logits or probabilities, and how many classes.
    """
    blank = Owner(model, spec, OwnerRecord(model.name, model.digest, Access.LOGITS, 0), device)
    lower, upper = spec.bounds()
    noise = np.random.default_rng(0).uniform(size=(8, *spec.shape)).astype(np.float32)
    points = blank.tensor(lower + noise * (upper - lower)).requires_grad_()
    try:
        model = sized(model, blank.inputs(points))
        outputs = checked(model(blank.inputs(points)), len(noise)).float()
        # Squared, because probabilities add up to 1, and a constant sum has no slope.
        (slope,) = torch.autograd.grad(outputs.square().sum(), points, allow_unused=True)
    except MODEL_ERRORS as error:
        line = str(error).strip().splitlines()[-1][:200]
        raise OwnerLoadError(
            f"{model.name!r} can't be fingerprinted with inputs of shape {spec.shape}: {line}"
        ) from error
    if slope is None or not torch.isfinite(outputs).all():
        raise OwnerLoadError(
            f"{model.name!r} gives no gradients or no finite scores for inputs of shape "
            f"{spec.shape} between {min(spec.lower):g} and {max(spec.upper):g}"
        )
    model = laid_out(model, blank.inputs(points.detach()))
    rows = outputs.detach()
    # All eight rows must look like probabilities, so that no logits pass for them by accident.
    normalised = bool((rows >= 0).all()) and bool((rows.sum(1) - 1).abs().max() < 1e-3)
    output = Access.PROBABILITIES if normalised else Access.LOGITS
    record = OwnerRecord(model.name, model.digest, output, rows.shape[1])
    is_sigmoid = not normalised and bool(((rows >= 0) & (rows <= 1)).all())
    return Owner(model, spec, record, device, is_sigmoid)


def sample_labels(owner: Owner, samples: Samples) -> Tensor:
    """Return (n,) int64: the given labels, or the owner's own if none were given."""
    if samples.y is None:
        return owner.answers(owner.tensor(samples.x)).argmax(1)
    return torch.from_numpy(np.array(samples.y)).to(owner.device)


def snapped(points: Tensor, spec: InputSpec) -> Tensor:
    """Round images to the 8-bit grid, so that they survive a PNG file; leave other points alone."""
    if not spec.is_image:
        return points
    levels = (points * (255 / spec.upper[0])).round()
    return levels.clamp(0, 255) * spec.upper[0] / 255


def torch_device(name: str) -> torch.device:
    """Return the device called `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        InputSpecError: CUDA is asked for and not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputSpecError(f"--device {name}: torch sees no CUDA device here; use --device cpu")
    found = torch.device(name)
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise InputSpecError(f"--device {name}: torch counts the CUDA devices here 0..{count - 1}")
    _settle()
    return found


def _settle() -> None:
    """Have a card compute the same each time, as near as it can to what a CPU computes."""
    # cuDNN's fastest algorithms differ from run to run.
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    # Convolutions in shortened mantissas (TF32) climb other ways than those of a CPU.
    torch.backends.cudnn.allow_tf32 = False
    if torch.cuda.is_available():
        # Else TorchScript is compiled anew for sizes of batches, seconds for each model, and a
        # climb's batches shrink.
        torch.jit.set_fusion_strategy([("STATIC", 0), ("DYNAMIC", 0)])
