"""How points become the batch that a suspect takes: normalisation, layout, size, number type."""

from dataclasses import dataclass, replace

import numpy as np

from auditkit.adapters.base import Values
from auditkit.core.arrays import DType, FloatArray, Rows
from auditkit.core.errors import SuspectMismatchError
from auditkit.core.points import InputSpec, normalised, pixels

SIGNED = 128
"""What is subtracted from pixels 0 to 255 for suspects that take int8, as quantised models do."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How points of a spec enter one suspect."""

    spec: InputSpec
    dtype: DType
    values: Values = Values.OWNER
    size: tuple[int, int] | None = None
    """Height and width to resize to."""
    channels: int | None = None
    """Number of channels to repeat or average to."""
    last: bool = False
    """Whether channels come last."""
    shape: tuple[int, ...] | None = None
    """Shape of one input at the very end, where only the number of axes differs."""
    batch_axis: int | None = 0
    """Which axis counts the points; None: the suspect takes one point, without such an axis."""

    def of(self, spec: InputSpec) -> "Arrangement":
        """Return the same arrangement for points that are normalised in another way.

        Raises:
            SuspectMismatchError: This normalisation does not go with these channels.
        """
        # A normalisation for three channels can't be applied to one, nor the other way round.
        if self.channels is not None and spec.mean:
            raise SuspectMismatchError(
                f"the suspect takes {self.channels} channels, the points have {spec.shape[0]} that "
                "are normalised one by one; it can't be asked"
            )
        return replace(self, spec=spec)

    def __call__(self, points: FloatArray) -> Rows:
        """Turn points, (n, *spec.shape) float32 in the spec's bounds, into the suspect's batch."""
        if self.size is not None:
            points = _resized(points, self.size)
        if self.channels is not None:
            points = points.mean(axis=1, keepdims=True).repeat(self.channels, axis=1)
        batch = self._valued(points)
        if self.last:
            batch = np.moveaxis(batch, 1, -1)
        if self.shape is not None:
            batch = batch.reshape(len(batch), *self.shape)
        batch = batch[0] if self.batch_axis is None else np.moveaxis(batch, 0, self.batch_axis)
        return np.array(batch, dtype=self.dtype, order="C")  # a copy: suspects may write into it

    def _valued(self, points: FloatArray) -> Rows:
        if self.values is Values.POINTS:
            return points
        if self.dtype.kind in "iu":
            found = pixels(points, self.spec)
            return found.astype(np.int16) - SIGNED if self.dtype == np.int8 else found
        spec = self.spec
        if self.values is Values.UNIT:
            # Scaling to 0..1 is a normalisation like any other, and takes the place of the owner's.
            span = spec.upper[0] - spec.lower[0]
            spec = replace(spec, mean=(spec.lower[0],), std=(span,))
        return normalised(points, spec)


def _resized(points: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Resize with pillow's bilinear filter, which is what most pipelines do to pictures."""
    from PIL import Image  # takes long to load, and only few suspects need it

    height, width = size
    planes = points.reshape(-1, *points.shape[2:])
    resized = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
        for plane in planes
    ]
    return np.stack(resized).reshape(*points.shape[:2], height, width)
