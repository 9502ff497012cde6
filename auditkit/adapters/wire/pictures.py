"""Points as PNG and JPEG files, for APIs that take pictures."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# The highest that Pillow recommends. Bundles say how many core points keep the owner's label at
# quality 90, so that this one takes less from them than the report warns of.
JPEG_QUALITY = 95


def encoded(pixels: NDArray[np.uint8], kind: str) -> bytes:
    """Encode one point as a picture file.

    Args:
        pixels: (channels, height, width) uint8 with 1 or 3 channels.
        kind: `png`, which is exact, or `jpeg`, which is not.
    """
    rows = np.moveaxis(pixels, 0, -1)
    picture = Image.fromarray(rows[..., 0] if rows.shape[-1] == 1 else rows)
    buffer = io.BytesIO()
    if kind == "png":
        picture.save(buffer, "PNG")
    else:
        # 0 keeps the colours in full resolution; the default would blur them over 2 x 2 pixels.
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()
