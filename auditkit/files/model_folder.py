"""A folder of models of known kind, listed in `manifest.json` (docs/benchmarking.md)."""

import json
from dataclasses import dataclass
from pathlib import Path

from auditkit.core.arrays import Json, JsonObject
from auditkit.core.errors import BenchmarkError

FORMAT = "auditkit.models/1"
OWNER, PIRATED, HOMOLOGOUS = "owner", "pirated", "homologous"
TAUGHT = ("distilled", "extracted by labels")
"""How copies are made that need nothing but the owner's answers."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model of known kind, as the manifest lists it."""

    name: str
    kind: str
    """`owner`, `pirated` or `homologous`."""
    file: str
    """The file that is asked: a suspect as `auditkit check` takes it."""
    how: str
    """How it was made, in a few words; models made alike share a row of a benchmark."""
    owner: str | None = None
    """For a pirated model: the name of the owner that it is a copy of."""
    model: str | None = None
    """For an owner: the file that `auditkit fingerprint` opens."""
    task: str = ""
    """Name of another label space than the owners'; empty: theirs."""
    broken: bool = False
    """Whether it is a copy that lost too much accuracy to be used; such are counted apart."""
    triggers: str | None = None
    """For an owner with a watermark: a file of its inputs and expected labels."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """Models of known kind, and the samples that owners are fingerprinted with."""

    folder: Path
    title: str
    samples: Path
    models: tuple[Model, ...]

    def of(self, kind: str) -> list[Model]:
        """Return the models of one kind."""
        return [model for model in self.models if model.kind == kind]

    def suspects(self, owner: Model) -> list[Model]:
        """Return an owner's copies, and all that are innocent of it, other owners included."""
        return [
            model
            for model in self.models
            if model.name != owner.name and (model.kind != PIRATED or model.owner == owner.name)
        ]


def read_model_folder(folder: Path) -> ModelFolder:
    """Read a folder's manifest and check that its files exist.

    Raises:
        BenchmarkError: The manifest is missing, malformed or contradicts itself.
    """
    path = folder / "manifest.json"
    try:
        contents = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise BenchmarkError(
            f"no manifest.json in {str(folder)!r}; list your models there (docs/benchmarking.md)"
        ) from error
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{str(path)!r} is no readable JSON: {error}") from error
    if not isinstance(contents, dict) or contents.get("format") != FORMAT:
        found = contents.get("format") if isinstance(contents, dict) else type(contents).__name__
        raise BenchmarkError(f"{str(path)!r} has format {found!r}, this version reads {FORMAT!r}")
    models = tuple(_model(entry, folder) for entry in _listed(contents, path))
    listed = ModelFolder(
        folder,
        str(contents.get("title", folder.name)),
        _existing(folder, contents.get("samples"), "samples"),
        models,
    )
    _check(listed)
    return listed


def _listed(contents: JsonObject, path: Path) -> list[JsonObject]:
    entries = contents.get("models")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BenchmarkError(f"{str(path)!r} wants 'models', a list of objects")
    return entries


def _model(entry: JsonObject, folder: Path) -> Model:
    known = {key: entry[key] for key in Model.__dataclass_fields__ if entry.get(key) is not None}
    name = str(entry.get("name"))
    missing = {"name", "kind", "file"} - known.keys()
    if missing:
        raise BenchmarkError(f"model {name!r} lacks {', '.join(sorted(missing))}")
    for key, value in known.items():
        if not isinstance(value, bool if key == "broken" else str):
            raise BenchmarkError(f"{key!r} of model {name!r} can't be {value!r}")
    if known["kind"] not in (OWNER, PIRATED, HOMOLOGOUS):
        raise BenchmarkError(
            f"kind of model {name!r} is owner, pirated or homologous, got {known['kind']!r}"
        )
    known.setdefault("how", known["kind"])
    for key in {"file", "model", "triggers"} & known.keys():
        known[key] = str(_existing(folder, known[key], f"{key} of model {name!r}"))
    return Model(**known)


def _existing(folder: Path, name: Json, what: str) -> Path:
    if not isinstance(name, str) or not (folder / name).exists():
        raise BenchmarkError(f"{what}: no such file in {str(folder)!r}: {name!r}")
    return folder / name


def _check(listed: ModelFolder) -> None:
    names = [model.name for model in listed.models]
    # Answers are kept by name, so two models of one name would share them.
    for name in names:
        if names.count(name) > 1:
            raise BenchmarkError(f"two models are called {name!r}")
    owners = {model.name: model for model in listed.of(OWNER)}
    if not owners:
        raise BenchmarkError("no model of kind 'owner': nothing to fingerprint")
    for owner in owners.values():
        if owner.model is None:
            raise BenchmarkError(f"owner {owner.name!r} lacks 'model', which is fingerprinted")
    for model in listed.of(PIRATED):
        if model.owner not in owners:
            raise BenchmarkError(
                f"pirated model {model.name!r} must name its owner, got {model.owner!r}"
            )
