"""Samples that a user of Python has already opened: arrays, pairs, datasets and loaders."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from auditkit.core.arrays import Rows
from auditkit.core.errors import SamplesError
from auditkit.core.escape import first_line

WANTED = (
    "samples are a path, an array (n, …), a pair (x, y), or a torch Dataset or DataLoader of "
    "inputs or (input, class) pairs"
)
INPUTS = ("x", "pixel_values", "image", "images", "input", "inputs")
CLASSES = ("y", "label", "labels", "target", "targets")
"""Keys of samples that are dicts, as packages of data sets name them."""
Object = Any


def arrays(given: Object) -> tuple[Rows, Rows | None]:
    """Return samples as arrays: x (n, …), and y (n,) or None.

    A data set is read to its end, and must fit into memory. One that shuffles gives other points
    each time.

    Raises:
        SamplesError: It is of another kind, or fails to give its samples.
    """
    try:
        return _arrays(given)
    except SamplesError:
        raise
    except Exception as error:  # a user's data set may raise anything
        raise SamplesError(
            f"the samples can't be read: {type(error).__name__}: {first_line(error)}"
        ) from error


def _arrays(given: Object) -> tuple[Rows, Rows | None]:
    if isinstance(given, Mapping):
        return _pair(given)
    if _is_array(given):
        return _array(given), None
    if isinstance(given, tuple | list) and len(given) == 2 and _is_array(given[0]):
        return _pair(given)
    if isinstance(given, DataLoader):
        is_batched = given.batch_sampler is not None or given.batch_size is not None
        return _joined(given) if is_batched else _stacked(given)
    if hasattr(given, "__getitem__") and hasattr(given, "__len__"):
        return _stacked(_items(given))
    if isinstance(given, Iterable) and not isinstance(given, str | bytes):
        return _stacked(given)
    raise SamplesError(f"{WANTED}; got {type(given).__name__}")


def _items(given: Sequence[Object]) -> Iterator[Object]:
    # By number, since a data set of torch need not end when it is iterated over.
    return (given[number] for number in range(len(given)))


def _stacked(samples: Iterable[Object]) -> tuple[Rows, Rows | None]:
    """Join samples one by one."""
    pairs = [_pair(sample) for sample in samples]
    return _both(np.stack([x for x, _ in pairs]) if pairs else np.zeros(0), pairs, np.stack)


def _joined(batches: Iterable[Object]) -> tuple[Rows, Rows | None]:
    """Join samples that come in batches."""
    pairs = [_pair(batch) for batch in batches]
    return _both(np.concatenate([x for x, _ in pairs]) if pairs else np.zeros(0), pairs, np.hstack)


def _both(x: Rows, pairs: list[tuple[Rows, Rows | None]], join: Any) -> tuple[Rows, Rows | None]:
    classes = [y for _, y in pairs if y is not None]
    return x, join(classes) if classes and len(classes) == len(pairs) else None


def _pair(given: Object) -> tuple[Rows, Rows | None]:
    """Return one sample, one batch or everything as the input and its classes, if it has any."""
    if isinstance(given, Mapping):
        keys = [next((key for key in names if key in given), None) for names in (INPUTS, CLASSES)]
        if keys[0] is None:
            raise SamplesError(
                f"samples have the keys {sorted(map(str, given))[:8]}, wanted one of "
                f"{', '.join(INPUTS)}, and for classes one of {', '.join(CLASSES)}"
            )
        parts = [None if key is None else given[key] for key in keys]
    else:
        parts = [*given[:2], None] if isinstance(given, tuple | list) else [given, None]
    x, y = parts[:2]
    return _array(x), None if y is None else _array(y)


def _is_array(given: Object) -> bool:
    return isinstance(given, Tensor) or (hasattr(given, "shape") and hasattr(given, "dtype"))


def _array(given: Object) -> Rows:
    if isinstance(given, Tensor):
        given = given.detach().cpu()
        given = given.float() if given.is_floating_point() else given
    found: Rows = np.asarray(given)
    return found
