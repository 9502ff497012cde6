"""Mutants of bundles and evidence that get past the seal: what is changed is sealed again."""

from random import Random

import numpy as np

from auditkit.core.arrays import JsonObject, Rows
from auditkit.files.container import Packed, Tensors, _sealed, _serialised, described
from fuzz.mutator import changed_value

FLOATS = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1e38, 1e-40, 2.0)
WHOLE = (-(2**63), -2, -1, 0, 1, 99, 2**62)


def resealed(manifest: JsonObject, tensors: Tensors, chance: Random) -> bytes | None:
    """Return a file whose manifest or tensors were changed before it was sealed.

    Returns:
        None where the changed manifest can't be written: JSON knows no infinite numbers, and
        nothing that is no object holds a seal.
    """
    body = {key: value for key, value in manifest.items() if key not in ("seal", "tensors")}
    arrays = dict(tensors)
    if chance.random() < 0.7:
        body = changed_value(body, chance)
    else:
        arrays = _changed_tensors(arrays, chance)
    try:
        return _serialised(Packed(_sealed(described(Packed(body, arrays))), arrays))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None


def _changed_tensors(arrays: dict[str, Rows], chance: Random) -> dict[str, Rows]:
    name = chance.choice(list(arrays))
    way = chance.randrange(6)
    if way == 0:
        return {key: rows for key, rows in arrays.items() if key != name}
    if way == 1:
        return {**arrays, name: arrays[chance.choice(list(arrays))]}
    if way == 2:
        return {**arrays, f"{name}{chance.choice(('', '/scores', '/0', '/labels'))}": arrays[name]}
    if way == 3:
        return {**arrays, name: _of_other_shape(arrays[name], chance)}
    return {**arrays, name: _of_other_numbers(arrays[name], chance)}


def _of_other_shape(rows: Rows, chance: Random) -> Rows:
    way = chance.randrange(6)
    if way == 0:
        return rows[: chance.randrange(len(rows) + 1)] if rows.ndim else rows
    if way == 1:
        return rows[None]
    if way == 2:
        return np.concatenate([rows, rows]) if rows.ndim else rows
    if way == 3:
        return rows.ravel()
    if way == 4:
        return rows.astype(chance.choice(("f2", "f4", "i8")), casting="unsafe")
    return rows.T.copy()


def _of_other_numbers(rows: Rows, chance: Random) -> Rows:
    other = rows.copy()
    if other.size:
        odd = FLOATS if other.dtype.kind == "f" else WHOLE
        with np.errstate(all="ignore"):
            other.reshape(-1)[chance.randrange(other.size)] = chance.choice(odd)
    return other
