"""Given inputs with expected labels: verifies a backdoor watermark (Adi et al., USENIX 2018).

The owner trained its model to give these labels; here it is asked whether it does. Inputs on which
it does not are dropped, so that only what the owner really shows is asked of a suspect.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from auditkit.core.arrays import FloatArray
from auditkit.core.errors import FingerprintError
from auditkit.fingerprints.base import FEWEST, Findings, Method, Request
from auditkit.owner.classifier import snapped
from auditkit.owner.samples import RawSamples, read_samples

__all__ = ["triggerset"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the triggers are."""

    file: str = ""  # npz of x and y, or a folder of images by class


def find_triggers(request: Request, settings: Settings) -> Findings:
    """The triggers on which the owner gives the expected label, in the order of the file.

    Raises:
        FingerprintError: No file was named, it does not fit, or the owner gives fewer than 20
            expected labels.
        SamplesError: The file can't be read.
    """
    if not settings.file:
        raise FingerprintError("name the triggers: --method triggerset:file=triggers.npz")
    raw = read_samples(Path(settings.file))
    if raw.y is None:
        raise FingerprintError(f"{settings.file!r} must hold the expected labels, as y")
    owner = request.owner
    points = snapped(owner.tensor(_fitted(raw, request, settings)), owner.spec)
    expected = torch.from_numpy(np.array(raw.y)).to(owner.device)
    shown = owner.answers(points).argmax(1) == expected
    if int(shown.sum()) < FEWEST:
        raise FingerprintError(
            f"the owner gives the expected label on {int(shown.sum())} of {len(points)} triggers "
            f"(at least {FEWEST} are needed): it does not carry this watermark"
        )
    chosen = points[shown][: request.count]
    given = round(float(shown.float().mean()), 4)
    return request.weighed_by_labels(chosen, {"expected labels given": given})


def _fitted(raw: RawSamples, request: Request, settings: Settings) -> FloatArray:
    """Bytes are images over the whole range; everything else must lie within it already."""
    lower, upper = request.owner.spec.bounds()
    shape = request.owner.spec.shape
    x = raw.x.astype(np.float32)
    if raw.x.dtype == np.uint8:
        x = lower.min() + x / 255 * (upper.max() - lower.min())
    for arranged in (x, np.moveaxis(x, -1, 1), x[:, None]):
        if arranged.shape[1:] == shape and ((arranged >= lower) & (arranged <= upper)).all():
            return np.ascontiguousarray(arranged, np.float32)
    raise FingerprintError(
        f"triggers in {settings.file!r} have shape {raw.x.shape[1:]} and values from "
        f"{x.min():g} to {x.max():g}; the owner takes {shape} from {lower.min():g} to "
        f"{upper.max():g}"
    )


triggerset = Method(
    find_triggers,
    Settings,
    "Adi, Baum, Cisse, Pinkas, Keshet: Turning your weakness into a strength (USENIX Security "
    "2018), arXiv 1802.04633",
)
