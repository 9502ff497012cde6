"""Whether differences from a common ancestor's weights tell a copy from an innocent.

For a model tuned from a published network, the row of each output channel is taken without its part
along the ancestor's row, so that scales and folded normalisation do not matter. What is left is
compared with what is left of the owner's, by the mean cosine of the rows of all layers that moved.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from torch import Tensor

from auditkit.core.arrays import FloatArray
from auditkit.core.weights import centred, layer, unit
from experiments.lineup.ancestor import NET, published
from experiments.lineup.population import COPY, INNOCENT, OWNER, TWIN, Folder

MOVED = 0.9999
"""A layer whose rows have at most this mean cosine with the ancestor's was tuned."""
CLASSES = 20

State = Mapping[str, Tensor]


def told(folder: Folder) -> Iterator[str]:
    """Yield a table: how each model of the owner's net was made, and how alike it has moved."""
    records = {name: one for name, one in folder.records().items() if one.net == NET}
    start = published().tail(NET, CLASSES, 0).state_dict()
    states = {name: folder.state(name) for name in records}
    owner = next(states[name] for name, one in records.items() if one.kind == OWNER)
    moves = _moves(owner, start)
    yield "| made how | models | likeness of the differences |"
    yield "|---|---|---|"
    for kind in (TWIN, INNOCENT, COPY):
        for how in dict.fromkeys(one.how for one in records.values() if one.kind == kind):
            found = [
                _likeness(moves, states[name], start)
                for name, one in records.items()
                if (one.kind, one.how) == (kind, how)
            ]
            yield f"| {kind}: {how} | {len(found)} | {min(found):.2f} – {max(found):.2f} |"


def _moves(state: State, start: State) -> dict[str, FloatArray]:
    """Return for each layer that was tuned the directions in which its rows moved."""
    found = {}
    for name, weights in state.items():
        one, before = (layer(name, from_.numpy()) for from_ in (weights, start[name]))
        if "head" in name or one is None or before is None:
            continue
        rows, along = centred(one.rows), centred(before.rows)
        shared = (rows * along).sum(1, keepdims=True)
        if shared.mean() <= MOVED:
            found[name] = unit(rows - shared * along)
    return found


def _likeness(owner: Mapping[str, FloatArray], state: State, start: State) -> float:
    """Return the mean cosine of the moves of all rows that the owner moved; 0 for those left."""
    moves = _moves(state, start)
    none = {name: np.zeros_like(rows) for name, rows in owner.items()}
    values = [(rows * (none | moves)[name]).sum(1) for name, rows in owner.items()]
    return float(np.concatenate(values).mean())
