"""The folder of models that auditkit trained: its manifest, and what they were made for."""

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from auditkit.core.arrays import IntArray, JsonObject
from auditkit.core.errors import TrainedModelsError
from auditkit.core.provenance import sha256
from auditkit.files.container import write_whole
from auditkit.files.temporary import Held
from auditkit.owner.classifier import Owner
from auditkit.owner.samples import RawSamples

FORMAT = "auditkit.models/1"


LEARNT = "learnt.npy"
"""Digests of the inputs that a folder's models learnt, beside its manifest."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of models: its purpose, and the manifest's entries by name."""

    folder: Path
    made_for: JsonObject
    entries: dict[str, JsonObject]
    title: str = "reference models"
    held: Held | None = None
    """Keeps other runs out as long as it lives."""

    def keep(self, entry: JsonObject, model: bytes, suffix: str = ".onnx") -> None:
        """Write a model and its entry, each of them whole or not at all."""
        file = f"{entry['name']}{suffix}"
        # The model comes first: a run that is killed in between leaves a file without an entry,
        # which is written again, and never an entry without its file.
        write_whole(self.folder / file, model)
        self.entries[entry["name"]] = {**entry, "file": file, "digest": sha256(model)}
        # Sorted, so that the manifest is the same whether a run was interrupted or not.
        listed = [self.entries[name] for name in sorted(self.entries)]
        head = {"format": FORMAT, "title": self.title, "samples": "samples.npz"}
        contents = {**head, "made_for": self.made_for, "models": listed}
        write_whole(self.folder / "manifest.json", json.dumps(contents, indent=1).encode())


def purpose(owner: Owner, raw: RawSamples | None, seed: int) -> JsonObject:
    """Return what a folder's models were made for; models of one purpose can be mixed."""
    # The number of models is left out on purpose: a folder may be asked for more of them later.
    parts = [] if raw is None else [np.asarray(part) for part in (raw.x, raw.y)]
    data = [f"{part.dtype} {part.shape}".encode() + part.tobytes() for part in parts]
    return {
        "model": owner.model.digest,
        "data": sha256(b"".join(data)),
        "input": json.loads(json.dumps(asdict(owner.spec))),
        "seed": seed,
    }


def opened(folder: Path, made_for: JsonObject, title: str = "reference models") -> Shelf:
    """Make the folder, or read its manifest; models whose files are damaged are left out.

    Raises:
        TrainedModelsError: The folder holds something else, or models made for another purpose.
    """
    path = folder / "manifest.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = _held(folder)
        blank: JsonObject = {"made_for": made_for}
        contents = json.loads(path.read_text()) if path.exists() else blank
        found = contents["made_for"]
        other = [key for key, value in made_for.items() if found.get(key) != value]
        entries = {e["name"]: e for e in contents.get("models", []) if _is_whole(folder, e)}
    except OSError as error:
        raise TrainedModelsError(f"{str(folder)!r} can't be used: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrainedModelsError(
            f"{str(path)!r} lists no {title} of auditkit; choose another folder"
        ) from error
    if other:
        raise TrainedModelsError(
            f"{str(folder)!r} holds {title} made for another {' and '.join(other)}; "
            "choose another folder"
        )
    return Shelf(folder, found, entries, title, held)


def _held(folder: Path) -> Held:
    """Hold a folder: two runs at once would each write a manifest without the other's models.

    Raises:
        TrainedModelsError: Another run holds it.
    """
    held = Held.of(folder)
    if held is None:
        raise TrainedModelsError(
            f"{str(folder)!r} is in use by another run; wait for it, or name another folder"
        )
    return held


def _is_whole(folder: Path, entry: JsonObject) -> bool:
    files = [folder / entry[key] for key in ("file", "model") if key in entry]
    return all(file.is_file() for file in files) and bool(
        sha256(files[0].read_bytes()) == entry["digest"]
    )


def note_learnt(folder: Path, rows: IntArray) -> None:
    """Keep digests, (n,) int64, of the inputs that a folder's models learn."""
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    write_whole(folder / LEARNT, buffer.getvalue())


def learnt(folder: Path) -> IntArray | None:
    """Return the digests of the inputs that a folder's models learnt; None if it tells none."""
    try:
        found = np.load(folder / LEARNT, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.dtype == np.int64 and found.ndim == 1 else None
