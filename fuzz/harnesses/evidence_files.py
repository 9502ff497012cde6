"""Evidence: what was changed is refused; what is read is judged, or refused in one line."""

from pathlib import Path
from random import Random
from unittest import mock

import numpy as np

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence, Heard, SeenWeights
from auditkit.core.models import SuspectRecord
from auditkit.files import container, evidence
from auditkit.files.bundle import Bundle
from auditkit.judging.judge import judge
from fuzz.base import Harness
from fuzz.bundles import full
from fuzz.mutator import changed
from fuzz.sealing import resealed

NOWHERE = Path("mutant.evidence")


class _Evidence:
    """Mutants of a small evidence file."""

    def __init__(self, folder: Path) -> None:
        self._bundle = full()
        path = folder / "x.evidence"
        evidence.write(_made(self._bundle), self._bundle, path)
        self._good = path.read_bytes()
        self._contents = evidence.contents(path)

    def draw(self, chance: Random) -> bytes:
        """See `Target.draw`."""
        if chance.random() < 0.5:
            return changed(self._good, chance)
        found = self._contents
        return resealed(found.manifest, found.tensors, chance) or b""

    def attempt(self, given: bytes) -> None:
        """See `Target.attempt`."""
        with mock.patch.object(container, "_bytes", return_value=given):
            evidence.described(NOWHERE)
            judge(self._bundle, evidence.read(NOWHERE, self._bundle))


def _made(bundle: Bundle) -> Evidence:
    sheet = bundle.fingerprint.sheet
    scores = np.log(np.full((len(sheet), 3), 1 / 3, np.float32))
    scores[:, 0] += 0.1
    heard = (
        Heard("answered", "", "2026-01-01T00:00:00Z", ("aa", "bb"), scores[:2]),
        Heard("failed", "", "2026-01-01T00:00:01Z", ("cc",), why="no answer"),
    )
    return Evidence(
        SuspectRecord("x.onnx", "sha256:11", "onnx", {"onnxruntime": "1"}),
        bundle.digest,
        Answers(scores.argmax(1), scores, Access.LOGITS),
        3,
        ("a note",),
        len(sheet),
        len(sheet),
        len(sheet),
        ("a disguise",),
        2,
        1,
        2,
        SeenWeights((0.5,), 0.25, 0.75),
        heard=heard,
    )


HARNESS = Harness("evidence_files", _Evidence)
