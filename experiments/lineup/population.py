"""What a population is: a list of models to train, and a folder that keeps them."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from experiments.zoo.data import Split
from experiments.zoo.export import save_onnx, save_torchscript
from experiments.zoo.nets import Shape

OWNER, TWIN, INNOCENT, COPY = "owner", "twin", "innocent", "copy"
TWINS = 19
META, KIND = "meta", "population.json"


@dataclass(frozen=True, slots=True)
class Record:
    """What a folder says of one model."""

    net: str
    kind: str
    how: str
    """How it was made; models made alike share a row of a table."""
    task: str
    acc: float
    """Accuracy on held-out data of its own task, 0..1."""
    classes: int


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One model to train."""

    name: str
    net: str
    kind: str
    how: str
    build: Callable[["Folder"], nn.Module]
    """Trains it; the folder has what came before."""
    task: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """An owner, its twins, innocents and copies of one task."""

    name: str
    shape: Shape
    """Of one input of the whole model."""
    jobs: tuple[Job, ...]
    fresh: Callable[[str, int], nn.Module]
    """Maps net and number of classes to an untrained model."""
    whole: Callable[[nn.Module], nn.Module]
    """Makes of what is trained what is handed out, which takes inputs in 0..1."""
    accuracy: Callable[[nn.Module, str], float]
    """Of a trained model, on held-out data of a task."""
    classes: Callable[[str], int]
    """How many classes a task has."""
    samples: Split
    """Held-out inputs that fingerprints are made of, in 0..1."""


@dataclass(frozen=True, slots=True, eq=False)
class Folder:
    """A population on disk: a state dict for each model, and what is known of it."""

    path: Path

    def records(self) -> dict[str, Record]:
        """What is trained, by name."""
        found: dict[str, Record] = {}
        for file in sorted(self.path.glob(f"{META}*.json")):
            found |= {name: Record(**entry) for name, entry in json.loads(file.read_text()).items()}
        return found

    def opened(self, population: Population, name: str) -> nn.Module:
        """A trained model, as it was trained."""
        record = self.records()[name]
        net = population.fresh(record.net, record.classes)
        net.load_state_dict(self.state(name))
        return net.eval()

    def state(self, name: str) -> dict[str, Tensor]:
        """A trained model's weights."""
        found: dict[str, Tensor] = torch.load(self.path / f"{name}.pt", weights_only=True)
        return found

    def keep(self, name: str, net: nn.Module, record: Record) -> None:
        """Write one model; it counts only when both files are there."""
        weights = {key: value.cpu() for key, value in net.state_dict().items()}
        torch.save(weights, self.path / f"{name}.pt")
        # A file for each, since several processes may train at once.
        _written(self.path / f"{META}-{name}.json", {name: asdict(record)})

    @property
    def owner(self) -> Path:
        """The owner as TorchScript."""
        return self.path / "files" / "owner.pt"

    @property
    def twins(self) -> Path:
        """The folder of the twins as TorchScript."""
        return self.path / "files" / "twins"

    @property
    def samples(self) -> Path:
        """Held-out samples with labels."""
        return self.path / "files" / "samples.npz"

    def suspect(self, name: str) -> Path:
        """An innocent or a copy as ONNX."""
        return self.path / "files" / "suspects" / f"{name}.onnx"

    @property
    def population(self) -> str:
        """The population's name."""
        return str(json.loads((self.path / KIND).read_text())["name"])


def train(
    population: Population,
    folder: Folder,
    tell: Callable[[str], None],
    chosen: Sequence[Job] | None = None,
) -> None:
    """Train what is missing, and write every model as the file that is opened or asked.

    Args:
        population: Whose models.
        folder: Where they are kept.
        tell: Told of each.
        chosen: The jobs that are done here; None: all of them.
    """
    for place in (folder.twins, folder.suspect("").parent):
        place.mkdir(parents=True, exist_ok=True)
    _written(folder.path / KIND, {"name": population.name})
    for job in population.jobs if chosen is None else chosen:
        if job.name not in folder.records():
            net = job.build(folder)
            right = population.accuracy(net, job.task)
            made = Record(job.net, job.kind, job.how, job.task, right, population.classes(job.task))
            folder.keep(job.name, net, made)
            tell(f"{job.name}: {right:.3f}")
        _export(population, folder, job.name)
    if not folder.samples.exists():
        x, y = population.samples.x, population.samples.y
        _moved(folder.samples, lambda part: _saved(part, x=x.contiguous().numpy(), y=y.numpy()))


def _export(population: Population, folder: Folder, name: str) -> None:
    """Write a model as the file that a fingerprint is made of, or that is a suspect."""
    target = _target(folder, name, folder.records()[name])
    if not target.exists():
        net = population.whole(folder.opened(population, name)).cpu().eval()
        save = save_onnx if target.suffix == ".onnx" else save_torchscript
        _moved(target, lambda part: save(net, population.shape, part))


def _target(folder: Folder, name: str, record: Record) -> Path:
    if record.kind == OWNER:
        return folder.owner
    return folder.twins / f"{name}.pt" if record.kind == TWIN else folder.suspect(name)


def _written(path: Path, content: object) -> None:
    _moved(path, lambda part: part.write_text(json.dumps(content, indent=1)))


def _moved(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all, beside other processes that may write the same."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    write(part)
    part.replace(path)


def _saved(path: Path, **arrays: np.ndarray) -> None:
    with path.open("wb") as file:  # by its name it would get another ending
        np.savez(file, **arrays)


@torch.inference_mode()
def right(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of right answers, 0..1."""
    found = torch.cat([net(batch).argmax(1) for batch in x.split(250)])
    return float((found == y).float().mean())
