"""Reference models for an owner who has the data but no time to train them.

The folder holds ONNX files and a `manifest.json` that `auditkit bench` reads: the owner, models
that are independent of it, and copies of it. A third of the independent ones are copies as well,
of other models: without those, a calibrated score learns that copies look copied, not that they
look like this owner, and accuses innocent students.
"""

import hashlib
import io
import json
import time
import warnings
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from auditkit.container import sha256, write_whole
from auditkit.errors import CalibrationError, FingerprintError, SamplesError
from auditkit.fingerprints.base import Progress
from auditkit.order import Order, ReferencePlan
from auditkit.owner import attacks, recipes
from auditkit.owner.copies import matrix_weights
from auditkit.owner.domain import Owner, place, sample_labels, torch_device
from auditkit.owner.models import load_model
from auditkit.owner.samples import RawSamples, read_samples

HEAD = {"format": "auditkit.models/1", "title": "reference models", "samples": "samples.npz"}
RATE = "own net's rate"
FEWEST, HELD_OUT = 200, 50
DROP = 0.15
"""A copy that lost more accuracy than this is made again, more mildly; then it counts as broken."""
STAGE = "training reference models"


class Counts(NamedTuple):
    """How many models the folder holds now, and what this run added."""

    homologous: int
    pirated: int
    made: int
    seconds: float
    own_net: bool
    """Whether the owner's architecture learns when trained anew; if not, built-in nets do."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is made; a function of kind, number, seed and the attacks that are possible."""

    name: str
    kind: str
    how: str
    seed: int
    net: int
    """Of the model trained from scratch: 0 the owner's, 1 and 2 built-in ones."""
    student: int
    """The same of a net that learns from answers."""
    part: int
    augment: int = 0
    smoothing: float = 0.0
    attack: str = ""
    turn: int = 0


def recipe(kind: str, number: int, seed: int, possible: tuple[str, ...]) -> Recipe:
    """The recipe of one model.

    Args:
        kind: `homologous` or `pirated`.
        number: 0, 1, 2, … within its kind.
        seed: The run's.
        possible: The attacks that the owner's weights allow, in turns.
    """
    copied = kind == "pirated" or number % 3 == 2
    index = number if kind == "pirated" else number // 3 if copied else number - number // 3
    turn, slot = divmod(index, len(possible)) if copied else (0, 0)
    other = ", from another model" if copied and kind == "homologous" else ""
    how = possible[slot] + other if copied else "trained from scratch"
    digest = hashlib.sha256(f"{seed} {kind} {number}".encode()).digest()
    return Recipe(
        name=f"{kind}-{number:03}-{how.replace(',', '').replace(' ', '-')}",
        kind=kind,
        how=how,
        seed=int.from_bytes(digest[:4]),
        net=(0, 1, 0, 2)[(index + turn) % 4],
        student=(0, 1, 0, 2)[(turn + slot // 2) % 4],
        part=(index + index // 4) % 4,
        augment=index % len(recipes.AUGMENTS),
        smoothing=0.1 * (index // 3 % 2),
        attack=possible[slot] if copied else "",
        turn=turn,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Workshop:
    """All that a recipe needs."""

    owner: Owner
    data: recipes.Labelled
    held_out: recipes.Labelled
    """Never trained on."""
    epochs: int
    rate: float | None = None
    """At which the owner's architecture learns; None: it does not."""

    def tried(self) -> float | None:
        """The first rate that takes a fresh net half-way from chance to the owner's accuracy."""
        if not matrix_weights(self.owner.model.module):
            return None
        wanted = (recipes.accuracy(self.owner, self.held_out) + 1 / self.owner.record.classes) / 2
        first = recipe("homologous", 0, 0, ())
        for rate in recipes.RATES:
            net = replace(self, rate=rate).scratch(first)
            if recipes.accuracy(net, self.held_out) > wanted:
                return rate
        return None

    def fresh(self, net: int) -> tuple[Owner, float]:
        """An untrained net and its learning rate."""
        if net == 0 and self.rate is not None:
            return recipes.reinitialised(self.owner, self.data.inputs), self.rate
        name = recipes.BUILT_IN[self.data.inputs.ndim == 4][max(net - 1, 0)]
        return recipes.built_in(self.owner, name, self.data.inputs), recipes.RATES[0]

    def scratch(self, wanted: Recipe) -> Owner:
        """A net that has learnt the data's own labels."""
        generator = torch.Generator().manual_seed(wanted.seed)
        part = self.data.part(wanted.part, generator)
        augments = recipes.AUGMENTS if part.inputs.ndim == 4 else recipes.AUGMENTS[:1]
        augment = augments[wanted.augment % len(augments)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(wanted.seed)
            net, rate = self.fresh(wanted.net)
            how = recipes.Training(self.epochs, generator, rate, augment, wanted.smoothing)
            return recipes.fit(net, part.inputs, part.labels, how)

    def copy(self, wanted: Recipe, parent: Owner, strength: float) -> Owner:
        """A model derived from another, with other data than that other had."""
        generator = torch.Generator().manual_seed(wanted.seed + 1)
        part = self.data.part((wanted.part + 1) % 4, generator)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(wanted.seed + 1)
            student = partial(self.fresh, wanted.student)
            job = attacks.Job(parent, part, student, self.epochs, generator, wanted.turn, strength)
            return attacks.ATTACKS[wanted.attack](job)

    def make(self, wanted: Recipe) -> tuple[Owner, dict[str, Any]]:
        """The model, and what the manifest says of it."""
        parent = self.owner if wanted.kind == "pirated" else self.scratch(wanted)
        net, broken = parent, False
        least = recipes.accuracy(parent, self.held_out) - DROP
        for strength in (1.0, 0.5) if wanted.attack else ():
            net = self.copy(wanted, parent, strength)
            broken = recipes.accuracy(net, self.held_out) < least
            if not broken:
                break
        entry = self.entry(wanted.name, wanted.kind, wanted.how, net)
        entry |= {"seed": wanted.seed, "epochs": self.epochs, "broken": broken}
        if wanted.kind == "pirated":
            return net, entry | {"owner": "owner", "parents": ["owner"]}
        return net, entry | {"parents": [f"{wanted.name}-parent"] if wanted.attack else []}

    def entry(self, name: str, kind: str, how: str, net: Owner) -> dict[str, Any]:
        """What the manifest says of any model."""
        own = net.model.name == self.owner.model.name
        right = round(recipes.accuracy(net, self.held_out), 4)
        facts = {"net": recipes.OWN_NET if own else net.model.name, "accuracy": right}
        return {"name": name, "kind": kind, "how": how, **facts}


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
    known = attacks.possible(shop.owner)
    amounts = (("homologous", plan.homologous), ("pirated", plan.pirated))
    wanted = [recipe(kind, n, order.seed, known) for kind, count in amounts for n in range(count)]
    missing = [one for one in wanted if one.name not in shelf.entries]
    done = len(wanted) - len(missing)
    progress(STAGE, done, len(wanted))
    for number, one in enumerate(missing, done + 1):
        net, entry = shop.make(one)
        shelf.keep(entry, _onnx(net))
        progress(STAGE, number, len(wanted))
    kinds = [entry["kind"] for entry in shelf.entries.values()]
    there = kinds.count("homologous"), kinds.count("pirated")
    return Counts(*there, len(missing), time.monotonic() - started, shop.rate is not None)


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
