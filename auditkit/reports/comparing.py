"""Puts the answers of owner and suspect side by side, for reports that people read."""

import io
from collections.abc import Iterator

import numpy as np

from auditkit.core.arrays import IntArray
from auditkit.core.evidence import Evidence
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CORE, InputSpec, pixels
from auditkit.files.bundle import Bundle
from auditkit.reports.base import Agreement, Compared, Pictured

MOST = 12
"""Most pictures of a suspect: enough to see what core points are, few enough for a page."""
WIDEST = 160
"""Longest side of a picture in pixels; larger points are shown smaller."""
INDEPENDENT = (ReferenceKind.STAND_IN, ReferenceKind.SIBLING)


def compared(bundle: Bundle, evidence: Evidence, *, pictures: bool = False) -> Compared | None:
    """Return on which points owner and suspect agree; None if their labels can't be compared.

    Args:
        bundle: What the suspect was asked about.
        evidence: What it answered, a row for each point of the bundle's sheet.
        pictures: Whether up to 12 core points are shown as pictures. Whoever sees a core point can
            train a copy to answer it otherwise, so that is never done unasked.
    """
    if evidence.classes not in (None, bundle.fingerprint.owner.classes):
        return None
    labels = evidence.answers.labels
    shown = tuple(_pictured(bundle, labels)) if pictures else ()
    return Compared(tuple(_agreement(bundle, labels)), shown)


def _agreement(bundle: Bundle, labels: IntArray) -> Iterator[Agreement]:
    sheet = bundle.fingerprint.sheet
    twins = [one.answers.labels for one in bundle.references if one.kind is ReferenceKind.TWIN]
    known = twins or [one.answers.labels for one in bundle.references if one.kind in INDEPENDENT]
    kind = "twins" if twins else "stand-ins and siblings" if known else ""
    for name in sheet.names:
        rows = sheet.rows(name) & (labels >= 0)
        if not rows.any():
            continue
        owner = sheet.labels[rows]
        others = tuple(float((one[rows] == owner).mean()) for one in known)
        same = int((labels[rows] == owner).sum())
        yield Agreement(name, same, int(rows.sum()), others, kind)


def _pictured(bundle: Bundle, labels: IntArray) -> Iterator[Pictured]:
    """Yield the core points that come first in the bundle's file, which are the best."""
    made = bundle.fingerprint
    if not made.spec.is_image or made.spec.shape[0] not in (1, 3):
        return
    for row in made.sheet.filed(CORE)[:MOST]:
        said = int(labels[row])
        png = _png(made.sheet.points[row], made.spec)
        yield Pictured(png, int(made.sheet.labels[row]), said if said >= 0 else None)


def _png(point: np.ndarray, spec: InputSpec) -> bytes:
    from PIL import Image

    picture = np.moveaxis(pixels(point[None], spec), 1, -1)[0]
    image = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    image.thumbnail((WIDEST, WIDEST))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
