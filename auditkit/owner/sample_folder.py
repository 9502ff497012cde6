"""Samples in a folder of images, one folder for each class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from auditkit.core.arrays import IntArray
from auditkit.core.errors import SamplesError
from auditkit.core.requests import SampleForm

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
CROPPED = 224 / 256
"""Share of the shorter side that is kept, as networks for ImageNet usually see photographs."""
MOST_LISTED = 1 << 20
"""Bytes of a list of class names."""

Pixels = NDArray[np.uint8]


def read_folder(folder: Path, form: SampleForm) -> tuple[Pixels, IntArray | None, int]:
    """Read images and their classes.

    Args:
        folder: Images that all lie in one folder have no labels.
        form: Folders whose names are numbers are the classes of these numbers. Other names are
            looked up in the list of classes; without one, folders are numbered by their names.

    Returns:
        (n, h, w) or (n, h, w, 3) uint8; (n,) classes or None; and the number of classes that there
        must be for the numbers to be right, 0 where nothing was guessed.

    Raises:
        SamplesError: There are no images, one can't be read, sizes differ and the form has none, or
            a folder's name is no class.
    """
    # Sorted, because the file system's order differs from machine to machine.
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise SamplesError(f"no images in {str(folder)!r}; wanted {', '.join(IMAGE_SUFFIXES)}")
    images = _alike([_read(file, form.side) for file in files], folder)
    parents = [file.parent for file in files]
    folders = sorted(set(parents))
    if len(folders) == 1:
        return images, None, 0
    numbers, guessed = _numbered([one.name for one in folders], form)
    by_folder = dict(zip(folders, numbers, strict=True))
    labels = np.array([by_folder[parent] for parent in parents], np.int64)
    return images, labels, guessed


def _read(file: Path, side: int | None) -> Pixels:
    try:
        with Image.open(file) as image:
            # Palettes and transparency become colours; grey stays grey.
            plain = image if image.mode in ("L", "RGB") else image.convert("RGB")
            return np.asarray(plain if side is None else _cut(ImageOps.exif_transpose(plain), side))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise SamplesError(
            f"{str(file)!r} is not a readable image; remove or replace it"
        ) from error


def _cut(image: Image.Image, side: int) -> Image.Image:
    """Shrink the shorter side and cut out the middle."""
    scale = side / CROPPED / min(image.size)
    width, height = (max(side, round(scale * length)) for length in image.size)
    left, top = (width - side) // 2, (height - side) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + side, top + side))


def _alike(images: Sequence[Pixels], folder: Path) -> Pixels:
    """Stack images; grey ones among coloured ones become coloured."""
    if {image.ndim for image in images} == {2, 3}:
        images = [
            image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2) for image in images
        ]
    shapes = sorted({image.shape[:2] for image in images})
    if len(shapes) > 1:
        raise SamplesError(
            f"images in {str(folder)!r} differ in size: {shapes[:3]}; add --resize-samples with "
            "the side of the model's input, e.g. --resize-samples 224"
        )
    return np.stack(images)


def _numbered(names: Sequence[str], form: SampleForm) -> tuple[list[int], int]:
    """Return the class of each folder, and how many classes there must be if that was guessed."""
    if form.classes is not None:
        known = {name: number for number, name in enumerate(_listed(form.classes))}
        missing = [name for name in names if name not in known]
        if missing:
            raise SamplesError(
                f"--classes {str(form.classes)!r} names {len(known)} classes, not {missing[0]!r}; "
                "it has one class a line, in the order of the model's outputs, named as the folders"
            )
        return [known[name] for name in names], 0
    if all(name.isdecimal() for name in names):
        return [int(name) for name in names], 0
    return list(range(len(names))), len(names)


def _listed(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8") as file:
            return [line.strip() for line in file.read(MOST_LISTED).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SamplesError(f"--classes {str(path)!r} can't be read: {error}") from error
