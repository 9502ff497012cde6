"""Envelopes beside bundles: nothing but the very envelope that was written holds."""

from pathlib import Path
from random import Random

from auditkit.core.provenance import canonical
from auditkit.files import bundle
from auditkit.files.signing import envelope, keys, signed, statement
from fuzz.base import Harness, Wrong
from fuzz.bundles import smallest
from fuzz.mutator import changed, changed_value

KINDS = (envelope.IN_TOTO, "", "text/plain")


class _Envelopes:
    """Mutants of an envelope, and statements that the right key signed and nobody should have."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "model.fp"
        bundle.write(smallest(), self._file)
        keys.make(folder / "key")
        self._signer = keys.private(folder / "key")
        self._good = signed.sign(self._file, self._signer)
        self._payload = envelope.opened(self._good).payload
        self._whole = envelope.json.loads(self._good)
        self._facts = envelope.json.loads(self._payload)

    def draw(self, chance: Random) -> bytes:
        """See `Target.draw`."""
        way = chance.random()
        if way < 0.6:
            return changed(self._good, chance)
        try:
            if way < 0.8:
                return canonical(changed_value(self._whole, chance))
            payload = (
                canonical(changed_value(self._facts, chance))
                if way < 0.95
                else changed(self._payload, chance)
            )
            return envelope.sealed(payload, self._signer, chance.choice(KINDS))
        except (ValueError, TypeError, OverflowError, RecursionError):
            return b""  # JSON can't say it

    def attempt(self, given: bytes) -> None:
        """See `Target.attempt`."""
        for public in (self._signer.public, None):
            found = envelope.opened(given, public)
            said = statement.check(found.payload, self._file)
            # A statement may call the file by another name; nothing else in it may differ.
            same = {**said, "subject": self._facts["subject"]} == self._facts
            if not same or found.key != self._signer.public:
                raise Wrong("an envelope holds that says something else")


HARNESS = Harness("envelopes", _Envelopes)
