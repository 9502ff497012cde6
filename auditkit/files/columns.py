"""Answers as tensors of a file: by family, each in the order of the bundle's file.

In memory a model's answers are one column in the order of asking (`core.points.Sheet`). Files keep
them by family, as the first version wrote them, so that old and new files are read alike.
"""

from collections.abc import Iterable

import numpy as np

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.arrays import Rows
from auditkit.core.errors import BundleFormatError
from auditkit.core.points import Sheet
from auditkit.files.container import Tensors, tensor


def packed(prefix: str, sheet: Sheet, answers: Answers) -> dict[str, Rows]:
    """Return the tensors of one model's answers: labels, and scores if it revealed any."""
    tensors: dict[str, Rows] = {}
    for family in sheet.names:
        rows = sheet.filed(family)
        tensors[f"{prefix}/{family}/labels"] = answers.labels[rows]
        if answers.scores is not None:
            tensors[f"{prefix}/{family}/scores"] = answers.scores[rows]
    return tensors


def unpacked(
    prefix: str, sheet: Sheet, families: Iterable[str], access: Access, tensors: Tensors
) -> Answers:
    """Read one model's answers from a file's tensors; the inverse of `packed`.

    Args:
        prefix: Of the tensors' names.
        sheet: Of the bundle whose points were answered.
        families: Those that the file lists.
        access: What it says of the answers.
        tensors: The file's.

    Raises:
        BundleFormatError: The answers are not those to the sheet's points.
        ValueError: The answers contradict each other.
    """
    # A family without answers would read as "not answered", which is evidence of something else.
    if sorted(families) != sorted(sheet.names):
        raise BundleFormatError(f"{prefix} answers {sorted(families)}, wanted {list(sheet.names)}")
    labels = [tensor(tensors, f"{prefix}/{family}/labels") for family in sheet.names]
    scores = [tensors.get(f"{prefix}/{family}/scores") for family in sheet.names]
    given = [part for part in scores if part is not None]
    for family, column, part in zip(sheet.names, labels, scores, strict=True):
        wanted = int(sheet.rows(family).sum())
        # Rows are told by their place alone: one too many or too few would answer other points.
        odd = [one.shape for one in (column,) if one.shape != (wanted,)]
        odd += [one.shape for one in (part,) if one is not None and one.shape[:1] != (wanted,)]
        if odd:
            raise BundleFormatError(
                f"{prefix} has {odd[0]} answers to {family} points, wanted {wanted}"
            )
    # One column has scores for all its rows or for none; half a column would compare nothing.
    if len(given) not in (0, len(scores)):
        raise BundleFormatError(f"{prefix} has scores for some families only")
    return Answers(_in_order(sheet, labels), _in_order(sheet, given) if given else None, access)


def _in_order(sheet: Sheet, parts: list[Rows]) -> Rows:
    """Join the families' parts, as the file orders them, into one column in the order of asking."""
    whole = np.concatenate(parts)
    column: Rows = whole[sheet.places]
    return column
