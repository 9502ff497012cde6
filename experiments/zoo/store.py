"""A population on disk: weights and ONNX for each model, one manifest, built once and reopened.

`manifest.json` is what `auditkit bench` reads (docs/benchmarking.md).
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from auditkit.files.model_folder import FORMAT, OWNER
from experiments.zoo.attacks import FLOAT16, INT8, PUBLIC_TASK, task_classes, task_split
from experiments.zoo.data import Data, trigger_set
from experiments.zoo.export import save_fp16, save_int8, save_onnx, save_torchscript
from experiments.zoo.nets import new
from experiments.zoo.population import Recipe
from experiments.zoo.training import accuracy

SAMPLES = 2000
DROP = 0.15
"""A copy that lost more accuracy than this is no copy worth having; it is counted apart."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the manifest; paths are relative to it."""

    name: str
    kind: str
    how: str
    net: str
    seed: int
    owner: str | None
    parents: list[str]
    task: str
    form: str
    classes: int
    accuracy: float
    """On held-out data of its own task, 0..1."""
    broken: bool
    """A copy for the owner's task that lost more than 15 points of accuracy."""
    file: str
    weights: str
    digest: str
    model: str | None = None
    """TorchScript, of owners only: what `auditkit fingerprint` opens."""
    triggers: str | None = None
    """Of a watermarked owner: its inputs and expected labels."""


def read_records(folder: Path) -> list[Record]:
    """What a folder's manifest lists, in building order."""
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return []
    return [Record(**entry) for entry in json.loads(manifest.read_text())["models"]]


class Zoo:
    """The models of one folder."""

    def __init__(self, folder: Path, data: Data) -> None:
        self.folder = folder
        self.data = data

    def records(self) -> list[Record]:
        """What the manifest lists, in building order."""
        return read_records(self.folder)

    def open(self, record: Record) -> nn.Module:
        """The trained net, in evaluation mode."""
        net = new(record.net, self.data.shape, record.classes, 0)
        net.load_state_dict(load_file(self.folder / record.weights))
        return net.eval().to(self.data.pool.x.device)

    def make(self, recipe: Recipe, known: dict[str, Record]) -> Record:
        """Build one model and write its files; its parents are there."""
        parents = [self.open(known[name]) for name in recipe.parents]
        net = recipe.build(self.data, parents)
        state = {name: value.contiguous().cpu() for name, value in net.state_dict().items()}
        weights, file = f"{recipe.name}.safetensors", f"{recipe.name}.onnx"
        save_file(state, self.folder / weights)
        right = self._accuracy(net, recipe.task)
        owner = known[recipe.owner] if recipe.owner else None
        net = net.cpu()
        self._export(net, recipe, known)
        model = f"{recipe.name}.pt" if recipe.kind == OWNER else None
        if model is not None:
            save_torchscript(net, self.data.shape, self.folder / model)
        return Record(
            **{name: getattr(recipe, name) for name in ("name", "kind", "how", "net", "seed")},
            owner=recipe.owner,
            parents=list(recipe.parents),
            task=recipe.task,
            form=recipe.form,
            classes=task_classes(self.data, recipe.task),
            accuracy=round(right, 4),
            broken=owner is not None and not recipe.task and right < owner.accuracy - DROP,
            file=file,
            weights=weights,
            digest="sha256:" + hashlib.sha256((self.folder / file).read_bytes()).hexdigest(),
            model=model,
            triggers=recipe.triggers,
        )

    def _accuracy(self, net: nn.Module, task: str) -> float:
        split = self.data.held_out
        if task == PUBLIC_TASK:
            assert self.data.public is not None
            split = self.data.public.part(0.8, 1)
        else:
            split = task_split(split, task)
        with torch.inference_mode():
            return accuracy(net, split.x, split.y)

    def _export(self, net: nn.Module, recipe: Recipe, known: dict[str, Record]) -> None:
        path = self.folder / f"{recipe.name}.onnx"
        if recipe.form == FLOAT16:
            save_fp16(self.folder / known[recipe.parents[0]].file, path)
        elif recipe.form == INT8:
            save_int8(self.folder / known[recipe.parents[0]].file, path)
        else:
            save_onnx(net, self.data.shape, path)

    def write(self, facts: dict[str, Any], records: list[Record]) -> None:
        """The manifest, whole or not at all."""
        contents = {
            "format": FORMAT,
            "samples": "samples.npz",
            **facts,
            "models": [asdict(record) for record in records],
        }
        draft = self.folder / "manifest.json.part"
        draft.write_text(json.dumps(contents, indent=1))
        draft.replace(self.folder / "manifest.json")

    def prepare(self) -> None:
        """The folder, with held-out samples that owners fingerprint with."""
        self.folder.mkdir(parents=True, exist_ok=True)
        x, y = (part[:SAMPLES].cpu() for part in (self.data.held_out.x, self.data.held_out.y))
        np.savez(self.folder / "samples.npz", x=x.contiguous().numpy(), y=y.numpy())
        if len(self.data.shape) == 3:
            marks = trigger_set(self.data.shape, self.data.classes)
            np.savez(self.folder / "triggers.npz", x=marks.x.numpy(), y=marks.y.numpy())
