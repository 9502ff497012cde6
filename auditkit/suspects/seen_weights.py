"""Compares the weights of a suspect's file with what a bundle keeps of its owner's and twins'."""

from collections import Counter

import numpy as np

from auditkit.adapters.base import Adapter, weights_of
from auditkit.core.answers import Answers
from auditkit.core.errors import SuspectError, SuspectMismatchError
from auditkit.core.evidence import Evidence, SeenWeights
from auditkit.core.models import ReferenceKind, SuspectRecord
from auditkit.core.weights import Layer, Sketch, in_shape
from auditkit.files.bundle import Bundle
from auditkit.judging.chance import chance
from auditkit.judging.likeness import comparable, likenesses


def seen_weights(bundle: Bundle, adapter: Adapter) -> SeenWeights | None:
    """Return what an opened suspect's weights show.

    None where it shows none, where the bundle keeps none, or where no tensor has a common shape.
    """
    own = bundle.fingerprint.weights
    if own is None or not own.sketch.outlines:
        return None
    try:
        layers = weights_of(adapter)
    except SuspectError:  # its answers still count
        return None
    return compared(layers, own.sketch, _twins(bundle), bundle.fingerprint.owner.classes)


def weighed(bundle: Bundle, record: SuspectRecord, adapter: Adapter) -> Evidence:
    """Return the evidence of a file that holds weights and no program: nothing is asked.

    Raises:
        SuspectMismatchError: Nothing can be compared.
    """
    weights = seen_weights(bundle, adapter)
    if weights is None:
        raise SuspectMismatchError(
            f"{record.name!r} holds weights and no program, and no tensor of a shape that the "
            "bundle knows; wanted a model that answers, such as ONNX"
        )
    return Evidence(
        suspect=record,
        bundle_digest=bundle.digest,
        answers=Answers(np.full(len(bundle.fingerprint.sheet), -1)),
        classes=None,
        notes=("the file holds weights and no program: nothing was asked, weights were compared",),
        spent=0,
        sent=0,
        weights=weights,
    )


def compared(
    layers: tuple[Layer, ...], owner: Sketch, twins: list[Sketch], classes: int
) -> SeenWeights | None:
    """Compare a model's layers with the owner's sketch and its twins'.

    Args:
        layers: The model's, inputs first.
        owner: The owner's.
        twins: Those of all twins; empty: there are none, or some are not known.
        classes: The owner's number of classes.
    """
    shared = comparable(layers, owner) / len(owner.outlines) if owner.outlines else 0.0
    if not shared:
        return None
    found = likenesses(layers, [owner, *twins])
    return SeenWeights(
        tuple(round(one, 6) for one in found),
        chance(layers, owner, classes),
        round(shared, 6),
        round(_compared(layers, owner), 6),
    )


def _compared(layers: tuple[Layer, ...], owner: Sketch) -> float:
    """Return the share of the numbers in tensors that fit the owner's, as many as it has of each.

    Tensors that are larger than a sketch keeps or too small for it are no part of it, so this may
    come out too small, and then clears nobody.
    """
    left = Counter(outline.shape for outline in owner.outlines)
    fitting = 0
    for layer in layers:
        shape = next((one for one in left if left[one] and in_shape(layer, one)), None)
        if shape is not None:
            left[shape] -= 1
            fitting += layer.rows.size
    return fitting / sum(layer.rows.size for layer in layers)


def _twins(bundle: Bundle) -> list[Sketch]:
    twins = [r.weights for r in bundle.references if r.kind is ReferenceKind.TWIN]
    kept = [sketch for sketch in twins if sketch is not None]
    return kept if len(kept) == len(twins) else []
