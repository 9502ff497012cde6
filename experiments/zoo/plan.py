"""What is to be trained from which files: enough for a worker process to open it again."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from experiments.zoo.data import load
from experiments.zoo.population import SCALES, Recipe, recipes
from experiments.zoo.store import Zoo


@dataclass(frozen=True, slots=True)
class Plan:
    """What the command line asks for; a worker process opens the same."""

    data: Path
    public: Path | None
    folder: Path
    scale: str
    owners: tuple[str, ...] | None = None
    others: tuple[str, ...] | None = None
    epochs: int | None = None
    classes: int | None = None
    limit: int | None = None
    device: str = "cpu"

    def open(self) -> tuple[Zoo, dict[str, Recipe]]:
        """The folder and its recipes by name."""
        scale = SCALES[self.scale]
        changes = {
            name: getattr(self, name)
            for name in ("owners", "others", "epochs", "limit")
            if getattr(self, name) is not None
        }
        scale = replace(scale, **changes)
        data = load(self.data, public=self.public, classes=self.classes, limit=scale.limit)
        plan = recipes(scale, public=self.public is not None)
        zoo = Zoo(self.folder, data.to(torch.device(self.device)))
        return zoo, {recipe.name: recipe for recipe in plan}
