"""A backdoor watermark: given inputs with expected labels (Adi et al., USENIX Security 2018).

The owner trained its model to give these labels. Inputs to which the model gives another label are
dropped, because a suspect is compared with what the owner answers, not with what it should answer.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from auditkit.core.arrays import FloatArray
from auditkit.core.errors import FingerprintError
from auditkit.core.points import FEWEST
from auditkit.fingerprints.base import Findings, Method, Request
from auditkit.owner.classifier import snapped
from auditkit.owner.samples import RawSamples, read_samples

__all__ = ["triggerset"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The file of triggers."""

    # An npz of x and y, or a folder with one folder of images for each class. It is a setting
    # because the samples of --samples serve controls and stand-ins, as for any method.
    file: str = ""


def find_triggers(request: Request, settings: Settings) -> Findings:
    """Return the triggers to which the owner gives the expected label, in the file's order.

    Raises:
        FingerprintError: No file was named, it does not fit the owner's input, or the owner gives
            the expected label to fewer than 20 triggers.
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
    # If there are more triggers than points wanted, the file's order says which are left out.
    chosen = points[shown][: request.count]
    given = round(float(shown.float().mean()), 4)
    return request.weighed_by_labels(chosen, {"expected labels given": given})


def _fitted(raw: RawSamples, request: Request, settings: Settings) -> FloatArray:
    """Return (n, *shape) float32 in the owner's domain.

    Bytes are scaled to the whole input range; all other numbers must lie within it already.
    """
    lower, upper = request.owner.spec.bounds()
    shape = request.owner.spec.shape
    x = raw.x.astype(np.float32)
    if raw.x.dtype == np.uint8:
        x = lower.min() + x / 255 * (upper.max() - lower.min())
    # As they are, channels last, or grey images without a channel axis: the first way that fits.
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
