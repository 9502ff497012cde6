"""Points as picture files, for APIs that take uploads."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

JPEG_QUALITY = 95


def encoded(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """(c, h, w) uint8 with 1 or 3 channels -> a PNG, exact, or a JPEG of quality 95."""
    rows = np.moveaxis(pixels, 0, -1)
    picture = Image.fromarray(rows[..., 0] if rows.shape[-1] == 1 else rows)
    buffer = io.BytesIO()
    if kind == "png":
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
