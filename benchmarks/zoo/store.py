"""A population on disk: weights as safetensors, one manifest, built once and reopened."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.zoo.data import Data
from benchmarks.zoo.population import Recipe, new, recipes
from benchmarks.zoo.training import accuracy


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the manifest; `accuracy` is on held-out data, 0..1."""

    name: str
    kind: str
    net: str
    parent: str | None
    accuracy: float


class Zoo:
    """The models of one folder."""

    def __init__(self, folder: Path, data: Data) -> None:
        self.folder = folder
        self.data = data
        folder.mkdir(parents=True, exist_ok=True)

    def records(self) -> list[Record]:
        """What the manifest lists, in building order."""
        manifest = self.folder / "manifest.json"
        if not manifest.exists():
            return []
        return [Record(**entry) for entry in json.loads(manifest.read_text())]

    def open(self, record: Record) -> nn.Module:
        """The trained net, in evaluation mode."""
        net = new(record.net, self.data, 0)
        net.load_state_dict(load_file(self._weights(record.name)))
        return net.eval()

    def build(self, owners: list[str], others: list[str], epochs: int) -> Iterator[Record]:
        """Make what is missing and yield every record."""
        done = {record.name: record for record in self.records()}
        for recipe in recipes(owners, others, epochs):
            if recipe.name not in done:
                done[recipe.name] = self._make(recipe, done)
                entries = [asdict(record) for record in done.values()]
                (self.folder / "manifest.json").write_text(json.dumps(entries, indent=1))
            yield done[recipe.name]

    def _make(self, recipe: Recipe, done: dict[str, Record]) -> Record:
        parent = self.open(done[recipe.parent]) if recipe.parent else nn.Identity()
        net = recipe.build(self.data, parent)
        state = {name: value.contiguous() for name, value in net.state_dict().items()}
        save_file(state, self._weights(recipe.name))
        held_out = self.data.held_out
        with torch.inference_mode():
            score = accuracy(net, held_out.x, held_out.y)
        return Record(recipe.name, recipe.kind, recipe.net, recipe.parent, round(score, 4))

    def _weights(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"
