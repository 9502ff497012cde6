"""Bundles: what was changed is refused; what is read gives the same bytes again."""

from pathlib import Path
from random import Random
from unittest import mock

from auditkit.core.access import Access
from auditkit.files import bundle, container
from auditkit.judging.lineup.outlook import outlook
from auditkit.reports import inspect
from fuzz.base import Harness, Wrong
from fuzz.bundles import full, smallest
from fuzz.mutator import changed
from fuzz.sealing import resealed

SEALED, FULL, SEALED_FULL = 0.05, 0.01, 0.2
"""Shares of inputs that are sealed again after they were changed, and of those that are made of the
larger bundle, which takes ten times as long: among inputs that are not sealed, and that are."""
NOWHERE = Path("mutant.fp")


class _Bundles:
    """Mutants of a small bundle, and now and then of one with everything in it."""

    def __init__(self, folder: Path) -> None:
        self._good, self._contents = [], []
        for number, made in enumerate((smallest(), full())):
            path = folder / f"{number}.fp"
            bundle.write(made, path)
            self._good.append(path.read_bytes())
            self._contents.append(container.read(path, "bundle", bundle.VERSION))

    def draw(self, chance: Random) -> bytes:
        """See `Target.draw`."""
        sealed = chance.random() < SEALED
        which = int(chance.random() < (SEALED_FULL if sealed else FULL))
        if sealed:
            found = self._contents[which]
            return resealed(found.manifest, found.tensors, chance) or b""
        return changed(self._good[which], chance, self._good)

    def attempt(self, given: bytes) -> None:
        """See `Target.attempt`."""
        found = _read(given)
        if given in self._good:
            return
        packed = bundle._packed(found)
        whole = container.Packed(container._sealed(container.described(packed)), packed.tensors)
        if container._serialised(whole) != given:
            raise Wrong("what was read is something else when it is written again")
        # Who opens such a bundle goes on to show it.
        inspect._bundle_lines(found)
        list(outlook(found, Access.LOGITS, 2))


def _read(data: bytes) -> bundle.Bundle:
    # From memory: writing each mutant to a file would take most of the time.
    with mock.patch.object(container, "_bytes", return_value=data):
        return bundle.read(NOWHERE)


HARNESS = Harness("bundles", _Bundles)
