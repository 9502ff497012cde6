"""Reference models for an owner who has the data but no time to train them.

The folder holds ONNX files and a `manifest.json` that `auditkit bench` reads: the owner, models
that are independent of it, and copies of it. A third of the independent ones are copies as well,
of other models: without those, a calibrated score learns that copies look copied, not that they
look like this owner, and accuses innocent students.
"""

import io
import json
import time
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from auditkit.core.errors import CalibrationError, FingerprintError, SamplesError
from auditkit.core.progress import Progress
from auditkit.core.provenance import sha256
from auditkit.core.requests import Order, ReferencePlan, ShadowPlan
from auditkit.files.container import write_whole
from auditkit.files.model_folder import TAUGHT
from auditkit.owner.classifier import Owner, place, sample_labels, torch_device
from auditkit.owner.opening import load_model
from auditkit.owner.samples import RawSamples, read_samples
from auditkit.owner.training import attacks, recipes
from auditkit.owner.training.workshop import SCRATCH, Workshop, recipe

HEAD = {"format": "auditkit.models/1", "title": "reference models", "samples": "samples.npz"}
RATE = "own net's rate"
FEWEST, HELD_OUT = 200, 50
STAGE = "training reference models"
CLOSE = 0.02
"""So far below the owner's accuracy its architecture may stay to stand for others of its kind."""


class Counts(NamedTuple):
    """How many models the folder holds now, and what this run added."""

    homologous: int
    pirated: int
    made: int
    seconds: float
    owner: float
    """The owner's accuracy on the data kept for that, 0..1."""
    anew: float | None
    """Mean accuracy of its architecture trained anew; None where built-in nets stand in for it."""
    frozen: bool
    """Whether the owner's file keeps batch normalisation from learning."""

    def told(self) -> str:
        """One line, with a warning where the owner's architecture is not well stood for."""
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


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The folder: what its manifest lists, and what it was made for."""

    folder: Path
    made_for: dict[str, Any]
    entries: dict[str, dict[str, Any]]

    def keep(self, entry: dict[str, Any], model: bytes) -> None:
        """A model and its line, each whole or not at all."""
        file = f"{entry['name']}.onnx"
        write_whole(self.folder / file, model)
        self.entries[entry["name"]] = {**entry, "file": file, "digest": sha256(model)}
        listed = [self.entries[name] for name in sorted(self.entries)]
        contents = {**HEAD, "made_for": self.made_for, "models": listed}
        write_whole(self.folder / "manifest.json", json.dumps(contents, indent=1).encode())


def make_references(order: Order, folder: Path, plan: ReferencePlan, progress: Progress) -> Counts:
    """Train what the folder lacks of the models that the plan wants.

    On the CPU the same order gives the same weights. What a run finds it keeps, and it may be
    killed at any moment. Independent models learn the data's own labels, never the owner's
    answers. The parents of copies of other models are not kept.

    Args:
        order: Model, samples with labels, seed and device.
        folder: Made if missing; must be empty or made for the same model, data, input and seed.
        plan: How many of each kind and how long; more than are wanted stay.
        progress: Told after each model: stage, models there, models wanted.

    Raises:
        OwnerError: The model can't be used.
        SamplesError: No labels, fewer than 200 samples, or samples that do not fit.
        CalibrationError: The folder holds something else.
        FingerprintError: A model can't be written as ONNX.
    """
    started = time.monotonic()
    shop, raw = _workshop(order, plan.epochs)
    shelf = _opened(folder, _purpose(shop.owner, raw, order.seed))
    if RATE not in shelf.made_for:
        shelf.made_for[RATE] = shop.tried()
    shop = replace(shop, rate=shelf.made_for[RATE])
    _keep_owner(shelf, shop, order, raw)
    possible = attacks.possible(shop.owner)
    known = tuple(how for how in plan.attacks or possible if how in possible)
    amounts: tuple[tuple[str, int], ...] = (
        ("homologous", plan.homologous),
        ("pirated", plan.pirated),
    )
    if not known:  # frozen weights allow none of these attacks
        amounts = ()
    wanted = [recipe(kind, n, order.seed, known) for kind, count in amounts for n in range(count)]
    missing = [one for one in wanted if one.name not in shelf.entries]
    done = len(wanted) - len(missing)
    progress(STAGE, done, len(wanted))
    for number, one in enumerate(missing, done + 1):
        net, entry = shop.make(one)
        shelf.keep(entry, _onnx(net))
        progress(STAGE, number, len(wanted))
    frozen = recipes.frozen_normalisation(shop.owner, shop.data.inputs)
    return _counted(shelf, len(missing), time.monotonic() - started, frozen=frozen)


def make_shadows(order: Order, folder: Path, plan: ShadowPlan, progress: Progress) -> Counts:
    """The same for shadow models, which choose and weigh points: students first, then the others.

    Args:
        order: As for `make_references`; with another seed than theirs, or models are the same.
        folder: As there.
        plan: How many of each sort.
        progress: As there.

    Raises:
        OwnerError, SamplesError, CalibrationError, FingerprintError: As there.
    """
    students = ReferencePlan(plan.independent, plan.students, plan.epochs, TAUGHT)
    first = make_references(order, folder, students, progress)
    others = 3 * (plan.modified // 2)  # every third independent model is a copy of another
    modified = ReferencePlan(others, plan.modified, plan.epochs, attacks.MODIFYING)
    last = make_references(order, folder, modified, progress)
    return last._replace(made=first.made + last.made, seconds=first.seconds + last.seconds)


def _counted(shelf: _Shelf, made: int, seconds: float, *, frozen: bool) -> Counts:
    entries = list(shelf.entries.values())
    kinds = [entry["kind"] for entry in entries]
    anew = [e["accuracy"] for e in entries if e["how"] == SCRATCH and e["net"] == recipes.OWN_NET]
    return Counts(
        kinds.count("homologous"),
        kinds.count("pirated"),
        made,
        seconds,
        shelf.entries["owner"]["accuracy"],
        sum(anew) / len(anew) if anew else None,
        frozen,
    )


def _workshop(order: Order, epochs: int) -> tuple[Workshop, RawSamples]:
    if order.samples is None:
        raise SamplesError("reference models are trained from labelled data; add --data DATA")
    raw, device = read_samples(order.samples), torch_device(order.device)
    owner, samples = place(load_model(order.model, order.weights, device), order.facts, raw, device)
    if samples is None or samples.y is None or len(samples.x) < FEWEST:
        raise SamplesError(
            f"reference models need {FEWEST} samples or more with labels, {str(order.samples)!r} "
            f"has {len(raw.x)} {'without' if raw.y is None else 'with'}; give an npz with x and y, "
            "or a folder of images with a subfolder for each class"
        )
    inputs, labels = owner.inputs(owner.tensor(samples.x)), sample_labels(owner, samples)
    rows = split(len(inputs), order.seed)
    data, held_out = (recipes.Labelled(inputs[part], labels[part]) for part in rows)
    return Workshop(owner, data, held_out, epochs), raw


def split(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows trained on, and a tenth but at least 50 kept for accuracy alone, shuffled."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    data, held_out = order.tensor_split([count - max(HELD_OUT, count // 10)])
    return data, held_out


def _purpose(owner: Owner, raw: RawSamples, seed: int) -> dict[str, Any]:
    parts = [np.asarray(part) for part in (raw.x, raw.y)]
    data = [f"{part.dtype} {part.shape}".encode() + part.tobytes() for part in parts]
    return {
        "model": owner.model.digest,
        "data": sha256(b"".join(data)),
        "input": json.loads(json.dumps(asdict(owner.spec))),
        "seed": seed,
    }


def _opened(folder: Path, made_for: dict[str, Any]) -> _Shelf:
    path = folder / "manifest.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        blank: dict[str, Any] = {"made_for": made_for}
        contents = json.loads(path.read_text()) if path.exists() else blank
        found = contents["made_for"]
        other = [key for key, value in made_for.items() if found[key] != value]
        entries = {e["name"]: e for e in contents.get("models", []) if _is_whole(folder, e)}
    except OSError as error:
        raise CalibrationError(f"{str(folder)!r} can't be used: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CalibrationError(
            f"{str(path)!r} was not written by auditkit references; choose another folder"
        ) from error
    if other:
        raise CalibrationError(
            f"{str(folder)!r} holds reference models made for another {' and '.join(other)}; "
            "choose another folder"
        )
    return _Shelf(folder, found, entries)


def _is_whole(folder: Path, entry: dict[str, Any]) -> bool:
    files = [folder / entry[key] for key in ("file", "model") if key in entry]
    return all(file.is_file() for file in files) and bool(
        sha256(files[0].read_bytes()) == entry["digest"]
    )


def _keep_owner(shelf: _Shelf, shop: Workshop, order: Order, raw: RawSamples) -> None:
    """The owner and its samples, so that `auditkit bench` reads the folder; done once."""
    if "owner" in shelf.entries and (shelf.folder / "samples.npz").exists():
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=raw.x, y=raw.y)  # type: ignore[arg-type]
    write_whole(shelf.folder / "samples.npz", buffer.getvalue())
    path = Path(order.model)
    model = f"owner{path.suffix}" if path.is_file() else "owner.pt"
    write_whole(shelf.folder / model, path.read_bytes() if path.is_file() else _traced(shop.owner))
    entry = shop.entry("owner", "owner", "owner", shop.owner) | {"model": model}
    shelf.keep(entry, _onnx(shop.owner))


def _example(net: Owner) -> torch.Tensor:
    return torch.zeros(net.model.batch or 2, *net.spec.shape, device=net.device)


def _traced(owner: Owner) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(owner.model.module, _example(owner)), buffer)
    return buffer.getvalue()


def _onnx(net: Owner) -> bytes:
    buffer = io.BytesIO()
    axes = {} if net.model.batch else {"input": {0: "batch"}, "scores": {0: "batch"}}
    how: dict[str, Any] = {"dynamo": False, "opset_version": 17, "dynamic_axes": axes}
    how |= {"input_names": ["input"], "output_names": ["scores"]}
    module = recipes.duplicate(net).model.module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (_example(net),), buffer, **how)  # type: ignore[arg-type]
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise FingerprintError(
            f"{net.model.name!r} can't be written as ONNX, which suspects are asked as: {line}"
        ) from error
    return buffer.getvalue()
