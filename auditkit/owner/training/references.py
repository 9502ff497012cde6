"""Trains reference models, whose kind is known, and keeps them in a folder.

The folder holds ONNX files and a `manifest.json` that `auditkit bench` reads: the owner, models
that are independent of it, and copies of it. A third of the independent models are copies too, of
other models: a method that takes whatever looks copied for a copy of this owner must be seen to.
"""

import io
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from auditkit.core.errors import SamplesError
from auditkit.core.progress import Progress
from auditkit.core.requests import Order, ReferencePlan
from auditkit.files.container import write_whole
from auditkit.owner.classifier import place, sample_labels, torch_device
from auditkit.owner.opening import load_model
from auditkit.owner.samples import RawSamples, read_samples
from auditkit.owner.training import attacks, recipes
from auditkit.owner.training.saving import onnx, traced
from auditkit.owner.training.shelf import Shelf, opened, purpose
from auditkit.owner.training.workshop import SCRATCH, Recipe, Workshop, recipe

RATE = "own net's rate"
"""The manifest's key for the rate at which the owner's architecture learns, which is tried once."""
FEWEST = 200
"""Least number of labelled samples to train reference models on."""
STAGE = "training reference models"
CLOSE = 0.02
"""Nets of the owner's architecture may be this much less accurate than the owner and still stand
for others of its kind: a method that accuses none but well-trained innocents would look better than
it is among poor ones."""


class Counts(NamedTuple):
    """What a folder of reference models holds after a run: numbers of models, and accuracies."""

    homologous: int
    pirated: int
    made: int
    """Models added by this run."""
    seconds: float
    """Time that this run took."""
    owner: float
    """The owner's accuracy on held-out data, 0..1."""
    anew: float | None
    """Mean accuracy of its architecture trained anew; None if built-in nets take its place."""
    frozen: bool
    """Whether the owner's file keeps batch normalisation from learning."""

    def told(self) -> str:
        """Return one line, with a warning if innocents of the owner's architecture are missing."""
        line = (
            f"{self.homologous} homologous (independent) and {self.pirated} pirated models, "
            f"{self.made} of them made now in {self.seconds:.0f} s; accuracy {self.owner:.2f} of "
            "the owner"
        )
        if self.anew is None:
            return (
                f"{line}; its architecture can't be trained anew, built-in nets stand in for it: "
                "innocents of that architecture are not stood for"
            )
        line += f", {self.anew:.2f} of its architecture trained anew"
        if self.anew < self.owner - CLOSE:
            line += (
                ": too far below it to stand for innocents of that architecture; give more data or "
                "more --epochs"
            )
        if self.frozen:
            line += (
                "; batch normalisation is frozen in the owner's file, so these nets are not quite "
                "of its architecture: innocents of it may come closer; give a factory"
            )
        return line


def make_references(order: Order, folder: Path, plan: ReferencePlan, progress: Progress) -> Counts:
    """Train the models of a plan that the folder lacks.

    On the CPU the same order gives the same weights. Models that are there already are kept, and a
    run may be killed at any moment. Independent models learn the data's own labels, never the
    owner's answers. Copies of other models are kept without the models they were made of.

    Args:
        order: Model, samples with labels, seed and device.
        folder: Made if it is missing. It must be empty, or made for the same model, data, input and
            seed.
        plan: How many models of each kind, and how long they are trained; surplus ones stay.
        progress: Called after each model with the stage, models there and models wanted.

    Raises:
        OwnerError: The model can't be used.
        SamplesError: There are no labels or fewer than 200 samples, or they don't fit the model.
        TrainedModelsError: The folder holds something else, or models for another owner.
        FingerprintError: A model can't be written as ONNX.
    """
    started = time.monotonic()
    shop, raw = _workshop(order, plan.epochs)
    shelf = opened(folder, purpose(shop.owner, raw, order.seed))
    # Tried once for a folder: a run that goes on must not come to another rate.
    if RATE not in shelf.made_for:
        shelf.made_for[RATE] = shop.tried()
    shop = replace(shop, rate=shelf.made_for[RATE])
    _keep_owner(shelf, shop, order, raw)
    wanted = _wanted(plan, attacks.possible(shop.owner), order.seed)
    missing = [one for one in wanted if one.name not in shelf.entries]
    done = len(wanted) - len(missing)
    progress(STAGE, done, len(wanted))
    for number, one in enumerate(missing, done + 1):
        made = shop.make(one)
        shelf.keep(made.entry, onnx(made.net))
        progress(STAGE, number, len(wanted))
    frozen = recipes.frozen_normalisation(shop.owner, shop.data.inputs)
    return _counted(shelf, len(missing), time.monotonic() - started, frozen=frozen)


def _wanted(plan: ReferencePlan, possible: tuple[str, ...], seed: int) -> list[Recipe]:
    """Return the recipes of a plan; none if the owner's weights allow none of its attacks."""
    known = tuple(how for how in plan.attacks or possible if how in possible)
    if not known:
        return []
    counts = (("homologous", plan.homologous), ("pirated", plan.pirated))
    return [recipe(kind, n, seed, known) for kind, count in counts for n in range(count)]


def _counted(shelf: Shelf, made: int, seconds: float, *, frozen: bool) -> Counts:
    entries = list(shelf.entries.values())
    kinds = [entry["kind"] for entry in entries]
    anew = [e["accuracy"] for e in entries if e["how"] == SCRATCH and e["net"] == recipes.OWN_NET]
    return Counts(
        homologous=kinds.count("homologous"),
        pirated=kinds.count("pirated"),
        made=made,
        seconds=seconds,
        owner=shelf.entries["owner"]["accuracy"],
        anew=sum(anew) / len(anew) if anew else None,
        frozen=frozen,
    )


class _Prepared(NamedTuple):
    """A workshop, and the samples as they are on disk."""

    shop: Workshop
    raw: RawSamples


def _workshop(order: Order, epochs: int) -> _Prepared:
    """Open the owner and its data."""
    if order.samples is None:
        raise SamplesError("reference models are trained from labelled data; add --data DATA")
    raw, device = read_samples(order.samples, order.form), torch_device(order.device)
    model = load_model(order.model, order.weights, device, order.head)
    owner, samples = place(model, order.facts, raw, device)
    if samples is None or samples.y is None or len(samples.x) < FEWEST:
        raise SamplesError(
            f"reference models need {FEWEST} samples or more with labels, {str(order.samples)!r} "
            f"has {len(raw.x)} {'without' if raw.y is None else 'with'}; give an npz with x and y, "
            "or a folder of images with a subfolder for each class"
        )
    inputs, labels = owner.inputs(owner.tensor(samples.x)), sample_labels(owner, samples)
    data, held_out = recipes.split(recipes.Labelled(inputs, labels), order.seed)
    return _Prepared(Workshop(owner, data, held_out, epochs), raw)


def _model_file(order: Order) -> Path | None:
    """Return the file that the owner was read from; None for a factory or a module."""
    path = Path(order.model) if isinstance(order.model, str) else None
    return None if path is None or not path.is_file() else path


def _keep_owner(shelf: Shelf, shop: Workshop, order: Order, raw: RawSamples) -> None:
    """Write the owner and its samples, which `auditkit bench` reads, unless they are there."""
    if "owner" in shelf.entries and (shelf.folder / "samples.npz").exists():
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=raw.x, y=raw.y)  # type: ignore[arg-type]
    write_whole(shelf.folder / "samples.npz", buffer.getvalue())
    path = _model_file(order)
    model = "owner.pt" if path is None else f"owner{path.suffix}"
    write_whole(shelf.folder / model, traced(shop.owner) if path is None else path.read_bytes())
    entry = shop.entry("owner", "owner", "owner", shop.owner) | {"model": model}
    shelf.keep(entry, onnx(shop.owner))
