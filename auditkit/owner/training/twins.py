"""Trains the owner's twins: its own recipe again, with other random numbers.

To a suspect that was made without the owner's model, the owner and its twins are interchangeable,
which is what a line-up rests on (`auditkit.judging.lineup`). So twins must be made as the owner
was. Best is the owner's own training code, called with other seeds. Without it auditkit trains the
owner's architecture on the owner's data in a way of its own. Whether the result may pass for twins
is checked when the fingerprint is made.
"""

import functools
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from auditkit.core.arrays import IntArray, Json, JsonObject
from auditkit.core.cluster import joined
from auditkit.core.errors import OwnerLoadError, SamplesError
from auditkit.core.progress import Progress
from auditkit.core.provenance import sha256
from auditkit.core.requests import Engine, Order, TwinPlan
from auditkit.owner.classifier import Owner, place, sample_labels, torch_device
from auditkit.owner.factories import imported
from auditkit.owner.opening import load_model
from auditkit.owner.samples import read_samples
from auditkit.owner.states import one_line, read_state
from auditkit.owner.training import recipes
from auditkit.owner.training.engines import local, ray
from auditkit.owner.training.saving import traced
from auditkit.owner.training.shelf import note_learnt, opened, purpose

STAGE = "training twins"
TITLE = "twins"
SUFFIXES = (".pt", ".pt2", ".onnx")
"""Model files that an owner's own training may return."""
FEWEST = 200
"""Least number of labelled samples to train twins on."""


@dataclass(frozen=True, slots=True)
class TwinCounts:
    """What a folder of twins holds after a run."""

    twins: int
    made: int
    """Twins added by this run."""
    seconds: float
    owner: float | None
    """The owner's accuracy on held-out data, 0..1; None where it was not measured."""
    accuracies: tuple[float, ...]
    """That of each twin; empty where it was not measured."""

    def told(self) -> str:
        """Return one line."""
        line = f"{self.twins} twins, {self.made} of them made now in {self.seconds:.0f} s"
        if self.owner is None or not self.accuracies:
            return line
        low, high = min(self.accuracies), max(self.accuracies)
        return f"{line}; accuracy {self.owner:.3f} of the owner, {low:.3f} to {high:.3f} of them"


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """One trained twin as a file."""

    model: bytes
    suffix: str
    facts: JsonObject
    """What the manifest says of it beside its name and seed."""


@dataclass(frozen=True, slots=True, eq=False)
class _Training:
    """One way to train twins."""

    made_for: JsonObject
    """What distinguishes it from other ways; twins of one folder are all trained in one way."""
    twin: Callable[[int, float | None], _Made]
    """Trains the twin of a seed, at a learning rate."""
    rate: Callable[[], float | None] = lambda: None
    """Settles the learning rate of all twins; None where the owner's own training has its own."""
    owner_accuracy: float | None = None
    learnt: IntArray | None = None
    """Digests of the inputs that twins learn; None where the owner's own training has its data."""


def make_twins(order: Order, folder: Path, plan: TwinPlan, progress: Progress) -> TwinCounts:
    """Train the twins of a plan that the folder lacks.

    Twins that are there already are kept, and a run may be killed at any moment: the same command
    goes on where it stopped.

    Args:
        order: Model, data with labels, seed and device. The data may be missing where the owner's
            own training is called.
        folder: Made if it is missing. It must be empty, or hold twins that were trained in the same
            way for the same model, data, input and seed.
        plan: How many twins, and how they are trained.
        progress: Told before the first training and after each.

    Raises:
        OwnerError: The model, the training function, what it returned, or the ancestor's weights
            can't be used.
        SamplesError: The data can't be used, or are too few.
        TrainedModelsError: The folder holds something else, or no twin learns the task.
        MissingRuntimeError: The plan wants a Ray cluster, and Ray is not installed.
        FleetError: That cluster can't be used.
    """
    started = time.monotonic()
    training = _training(order, plan)
    shelf = opened(folder, training.made_for, TITLE)
    seeds = {f"twin-{number:03}": _seed(order.seed, number) for number in range(plan.count)}
    if training.learnt is not None:
        note_learnt(folder, training.learnt)
    missing = [name for name in seeds if name not in shelf.entries]
    progress(STAGE, plan.count - len(missing), plan.count)
    wanted = {name: seeds[name] for name in missing}
    for number, (name, made) in enumerate(_all(training, wanted, order, plan), 1):
        entry = {"name": name, "kind": "twin", "how": "twin", "seed": seeds[name], **made.facts}
        shelf.keep(entry, made.model, made.suffix)
        progress(STAGE, plan.count - len(missing) + number, plan.count)
    return TwinCounts(
        twins=len(shelf.entries),
        made=len(missing),
        seconds=time.monotonic() - started,
        owner=training.owner_accuracy,
        accuracies=tuple(e["accuracy"] for e in shelf.entries.values() if "accuracy" in e),
    )


def _all(
    training: _Training, seeds: Mapping[str, int], order: Order, plan: TwinPlan
) -> Iterator[tuple[str, _Made]]:
    """Train twins, and yield each with its name as soon as it is done."""
    if not seeds:
        return
    if plan.machines.engine is Engine.RAY:
        with joined(plan.machines) as cluster:
            train = functools.partial(_trained, order, plan, training.rate())
            yield from ray.results(train, seeds, plan.workers, cluster)
        return
    rate = training.rate()
    workers = min(plan.workers or _cores(order), len(seeds))
    if workers > 1:
        train = functools.partial(_trained, order, plan, rate)
        yield from local.results(train, seeds, workers)
        return
    for name, seed in seeds.items():
        yield name, training.twin(seed, rate)


def _cores(order: Order) -> int:
    """Return how many trainings fit on this machine at once; a card takes one."""
    return 1 if torch_device(order.device).type == "cuda" else os.cpu_count() or 1


def _trained(order: Order, plan: TwinPlan, rate: float | None, seed: int) -> _Made:
    """Train one twin in a process that does nothing else."""
    return _opened_once(order, plan).twin(seed, rate)


@functools.cache
def _opened_once(order: Order, plan: TwinPlan) -> _Training:
    """Open model and data for all twins that a process trains."""
    return _training(order, plan)


def _seed(seed: int, number: int) -> int:
    """Return a twin's seed, which no owner was trained with by chance, as many are with 0."""
    return int.from_bytes(hashlib.sha256(f"twin {seed} {number}".encode()).digest()[:4])


def _training(order: Order, plan: TwinPlan) -> _Training:
    device = torch_device(order.device)
    raw = None if order.samples is None else read_samples(order.samples, order.form)
    model = load_model(order.model, order.weights, device, order.head)
    owner, samples = place(model, order.facts, raw, device)
    made_for = purpose(owner, raw, order.seed)
    if plan.train:
        return _own_training(owner, plan.train, made_for)
    if samples is None or samples.y is None or len(samples.x) < FEWEST:
        found = "none" if samples is None else f"{len(samples.x)}"
        unlabelled = " without labels" if samples is not None and samples.y is None else ""
        raise SamplesError(
            f"twins need the owner's training data, {FEWEST} labelled samples or more; got {found}"
            f"{unlabelled}: add --data DATA, or give your own training with --train "
            "package.module:function"
        )
    inputs, labels = owner.inputs(owner.tensor(samples.x)), sample_labels(owner, samples)
    data = recipes.Labelled(inputs, labels)
    return replace(_built_in(owner, data, plan, order.seed, made_for), learnt=samples.rows())


def _own_training(
    owner: Owner, train: str | Callable[[int], object], made_for: JsonObject
) -> _Training:
    """Return the owner's own training: a function from a seed to a module or a model file."""
    if isinstance(train, str):
        function, name = imported(train, "--train"), train
    else:
        function, name = train, f"{train.__module__}:{getattr(train, '__qualname__', 'train')}"

    def twin(seed: int, _rate: float | None) -> _Made:
        # Seeded here as well, for a function that draws fresh weights before it sets its seed.
        with torch.random.fork_rng(devices=[]), one_line(name):
            torch.manual_seed(seed)
            found = function(seed)
            if isinstance(found, nn.Module):
                module = found.eval().to(owner.device)
                net = replace(owner, model=replace(owner.model, name=name, module=module))
                return _Made(traced(net), ".pt", {})
        return _of_file(found, name)

    return _Training(made_for | {"training": name}, twin)


def _of_file(found: Json, name: str) -> _Made:
    if not isinstance(found, str | Path) or Path(found).suffix not in SUFFIXES:
        raise OwnerLoadError(
            f"{name!r} returned {str(found)[:80]!r}, wanted a torch.nn.Module or the path of a "
            f"model file ({', '.join(SUFFIXES)})"
        )
    path = Path(found)
    if not path.is_file():
        raise OwnerLoadError(f"{name!r} returned {str(path)!r}, where there is no file")
    return _Made(path.read_bytes(), path.suffix, {})


def _built_in(
    owner: Owner, data: recipes.Labelled, plan: TwinPlan, seed: int, made_for: JsonObject
) -> _Training:
    """Return auditkit's training of the owner's architecture."""
    learnt, held_out = recipes.split(data, seed)
    start = {} if plan.start is None else read_state(plan.start)
    digest = None if plan.start is None else sha256(plan.start.read_bytes())
    wanted = recipes.accuracy(owner, held_out)

    def trained(seed: int, rate: float | None) -> Owner:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = _fresh(owner, learnt.inputs, start)
            generator = torch.Generator().manual_seed(seed)
            how = recipes.Training(plan.epochs, generator, rate or recipes.RATES[0])
            return recipes.fit(net, learnt.inputs, learnt.labels, how)

    def settled() -> float:
        # The owner's own rate is unknown; the likeliest is the one whose nets come closest to its
        # accuracy. It is settled by a net that is no twin: a twin that was chosen as the better of
        # two would not be made as the owner was.
        def off(rate: float) -> float:
            return abs(recipes.accuracy(trained(_seed(seed, -1), rate), held_out) - wanted)

        return min(recipes.RATES, key=off)

    def twin(seed: int, rate: float | None) -> _Made:
        net = trained(seed, rate)
        facts = {"accuracy": round(recipes.accuracy(net, held_out), 4), "rate": rate}
        return _Made(traced(net), ".pt", facts)

    told = {"training": "auditkit", "epochs": plan.epochs, "start": digest}
    return _Training(made_for | told, twin, settled, round(wanted, 4))


def _fresh(owner: Owner, inputs: Tensor, start: dict[str, Tensor]) -> Owner:
    """Return the owner's architecture with fresh weights, or with an ancestor's where it has them.

    Weights are matched by name and shape, so that a fresh head is drawn where the ancestor has
    other classes.
    """
    net = recipes.reinitialised(owner, inputs)
    own = net.model.module.state_dict()
    with torch.no_grad():
        for name, value in start.items():
            if name in own and own[name].shape == value.shape:
                own[name].copy_(value)
    return net
