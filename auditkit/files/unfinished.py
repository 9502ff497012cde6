"""Finished parts of a bundle that is being made, so that an interrupted run goes on where it was.

They lie in a folder beside the bundle until that is written. Their names are digests of everything
that they depend on: a run that would make other parts does not find them.
"""

import contextlib
import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from auditkit.core.arrays import Json, JsonObject, Rows
from auditkit.core.errors import BundleError
from auditkit.core.provenance import canonical, sha256
from auditkit.files.container import write_whole

WORTH = 10.0
"""Seconds from which a part is worth keeping; small owners leave no traces."""
FACTS = "facts"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Something that took long to make."""

    arrays: Mapping[str, Rows]
    """Of numbers, by names other than `FACTS`."""
    facts: JsonObject = field(default_factory=dict)


class Unfinished:
    """The folder of the parts that one run can use."""

    def __init__(self, folder: Path | None, made_from: Json) -> None:
        """Make nothing yet.

        Args:
            folder: Where parts lie; None: none are kept.
            made_from: All that the parts depend on, as JSON values.
        """
        self._folder = folder
        self._run = sha256(canonical(made_from))

    def given(self, more: Json) -> "Unfinished":
        """Return the parts that depend on something more, which this run has found."""
        return Unfinished(self._folder, [self._run, more])

    def part(self, name: str, make: Callable[[], Part]) -> Part:
        """Return a part that is kept, or make it, and keep it if that took long."""
        found = self.kept(name)
        if found is None:
            begun = time.monotonic()
            found = make()
            if time.monotonic() - begun >= WORTH:
                self.keep(name, found)
        return found

    def kept(self, name: str) -> Part | None:
        """Return a part; None if it is not there, or damaged."""
        if self._folder is None:
            return None
        try:
            file = io.BytesIO(self._file(name).read_bytes())
            with np.load(file, allow_pickle=False) as held:
                arrays = {key: held[key] for key in held.files}
            return Part(arrays, json.loads(arrays.pop(FACTS).tobytes()))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, name: str, part: Part) -> None:
        """Write a part, whole or not at all; where nothing can be written, nothing is kept."""
        if self._folder is None:
            return
        buffer = io.BytesIO()
        facts = np.frombuffer(json.dumps(part.facts).encode(), np.uint8)
        np.savez(buffer, allow_pickle=False, **{FACTS: facts}, **part.arrays)
        with contextlib.suppress(OSError, BundleError):
            self._folder.mkdir(exist_ok=True)
            write_whole(self._file(name), buffer.getvalue())

    def _file(self, name: str) -> Path:
        assert self._folder is not None  # noqa: S101 - nobody asks for a file of no folder
        digest = sha256(canonical([self._run, name])).removeprefix("sha256:")
        return self._folder / f"{digest[:32]}.npz"


NOWHERE = Unfinished(None, None)
"""Keeps nothing."""


def finished(folder: Path) -> None:
    """Remove the folder with all parts in it; other files in it stay."""
    with contextlib.suppress(OSError):
        for file in folder.glob("*.npz"):
            file.unlink()
        folder.rmdir()
