"""Small bundles that harnesses begin with."""

from dataclasses import replace

import numpy as np

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.fingerprint import Discrimination, Fingerprint, LineUpTerms, OwnWeights, Siblings
from auditkit.core.models import OwnerRecord, Reference, ReferenceKind
from auditkit.core.points import CONTROL, CORE, FEWEST, Family, InputSpec, Sheet
from auditkit.core.provenance import sha256
from auditkit.core.weights import Layer, sketch
from auditkit.files.bundle import Bundle

TWINS = 19
"""The fewest that a line-up is claimed with."""


def smallest() -> Bundle:
    """The fewest points of two numbers, and nothing that need not be there."""
    points = np.stack([np.full(FEWEST, 0.5), np.arange(FEWEST) / FEWEST], axis=1)
    made = Fingerprint(
        "deepcore",
        {"level": 1.0},
        0,
        InputSpec((2,), (0.0,), (1.0,)),
        OwnerRecord("owner.pt", sha256(b"owner"), Access.LOGITS, 2),
        Sheet.of({CORE: Family(points, points)}),
        Discrimination.DISCRIMINATING,
        "measured",
    )
    return Bundle(made, (), {"auditkit": "0"}, "2026-01-01T00:00:00Z")


def full() -> Bundle:
    """One with everything that a bundle can hold: twins, copies, weights, siblings, transports."""
    chance = np.random.default_rng(0)
    families = {
        name: Family(
            chance.uniform(size=(count, 1, 2, 2)).astype(np.float32),
            chance.normal(size=(count, 3)).astype(np.float32),
        )
        for name, count in ((CORE, FEWEST), (CONTROL, 3))
    }
    sheet = Sheet.of(families)
    kept = sketch([Layer("first", chance.normal(size=(8, 8)).astype(np.float32), 8)], 0)
    made = Fingerprint(
        "lineup",
        {"settings": {"points": 4}, "core share": 0.5},
        3,
        InputSpec((1, 2, 2), (0.0,), (1.0,), (0.5,), (0.25,)),
        OwnerRecord("owner.pt", sha256(b"owner"), Access.LOGITS, 3),
        sheet,
        Discrimination.NOT_DISCRIMINATING,
        "measured",
        transports={"jpeg": 0.75},
        identifications=("clustering", "label_similarity"),
        siblings=Siblings((), "twins take their place"),
        line_up=LineUpTerms(TWINS),
        weights=OwnWeights(kept, 0.5, from_scratch=True),
    )
    references = tuple(
        Reference(
            f"{kind} {n}",
            kind,
            sha256(f"{kind} {n}".encode()),
            _answers(sheet, chance),
            {"how": "noisy"},
        )
        for kind, count in ((ReferenceKind.TWIN, TWINS), (ReferenceKind.MEASURED_COPY, 2))
        for n in range(count)
    )
    first = replace(references[0], weights=kept)
    return Bundle(made, (first, *references[1:]), {"auditkit": "0"}, "2026-01-01T00:00:00Z")


def _answers(sheet: Sheet, chance: np.random.Generator) -> Answers:
    scores = chance.normal(size=(len(sheet), 3)).astype(np.float32)
    log = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return Answers(log.argmax(1), log, Access.LOGITS)
