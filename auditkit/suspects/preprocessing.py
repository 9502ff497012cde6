"""Preprocessing and class order: suspects that differ from the owner only in how they are used.

Both are found on natural controls, which every model of the task gets right, and undone before
anything is compared.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from auditkit.core.answers import Answers
from auditkit.core.arrays import DoubleArray, FloatArray, IntArray
from auditkit.core.points import InputSpec

RECOGNISED = 0.8
"""A suspect that gets at least this share of the controls right knows the owner's task."""
KNOWN = 0.95
"""A suspect that gets at least this share right is taken as it is; nothing else is tried."""
BETTER, REORDERED = 0.06, 0.3
"""Shares of controls by which another preprocessing, or class order, must beat the suspect's own. A
class order is fitted to these very controls, so chance alone gains some, and it must gain more."""
ALIKE = 0.7
"""Least mean correlation of matched classes where some have no control: among many orders some fit
the controls by chance."""
LEAST = -100.0
"""Logarithm of a probability that stands for 0."""
Statistics = tuple[tuple[float, ...], tuple[float, ...]]
USUAL: dict[int, dict[str, Statistics]] = {
    1: {
        "MNIST's mean and deviation": ((0.1307,), (0.3081,)),
        "Fashion-MNIST's mean and deviation": ((0.2860,), (0.3530,)),
    },
    3: {
        "ImageNet's means and deviations": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        "CIFAR-10's means and deviations": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        "CIFAR-100's means and deviations": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    },
}
"""Usual normalisations of pixels in 0..1, by the number of channels: those that the data sets' own
pages and the model libraries give."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """One way in which a suspect may want its inputs: a function on points."""

    name: str
    spec: InputSpec
    """The input domain with the mean and deviation that turn points into such inputs."""
    change: Callable[[FloatArray], FloatArray] | None = None
    """What becomes of points besides; None: nothing."""

    def __call__(self, points: FloatArray) -> FloatArray:
        """Return (n, *shape) points as the suspect wants them."""
        # The copy makes a turned view contiguous, which the runtimes want.
        return points if self.change is None else self.change(points).copy()


def preprocessings(spec: InputSpec) -> Iterator[Preprocessing]:
    """Yield the usual preprocessings of images other than the owner's; none for other inputs.

    No two of them give a suspect the same inputs, and none gives what the owner takes: each costs
    queries.
    """
    if not spec.is_image:
        return
    tried = {_same_for_all(spec)}
    for name, other in _usual(spec):
        if _same_for_all(other) not in tried:
            tried.add(_same_for_all(other))
            yield Preprocessing(name, other)
    if spec.shape[0] == 3:
        turned = replace(spec, mean=spec.mean[::-1], std=spec.std[::-1])
        yield Preprocessing(
            "channels in the order blue, green, red", turned, lambda points: points[:, ::-1]
        )
    top = np.float32(spec.upper[0])
    yield Preprocessing("with black as white", spec, lambda points: top - points)
    if spec.shape[1] == spec.shape[2]:
        yield Preprocessing("width before height", spec, lambda points: points.swapaxes(2, 3))


def _usual(spec: InputSpec) -> Iterator[tuple[str, InputSpec]]:
    """Yield each usual scale by name, and last the points as they lie in the bundle."""
    top = spec.upper[0]
    for name, mean, std in _scales(spec.shape[0]):
        scaled = tuple(top * value for value in mean), tuple(top * value for value in std)
        yield name, replace(spec, mean=scaled[0], std=scaled[1])
    yield "as the owner's points, not normalised", replace(spec, mean=(), std=())


def _same_for_all(spec: InputSpec) -> Statistics:
    """Return mean and deviation of every channel, so that specs which do the same compare equal."""
    channels = spec.shape[0]
    mean, std = spec.mean or (0.0,), spec.std or (1.0,)
    return mean * (channels // len(mean)), std * (channels // len(std))


def _scales(channels: int) -> Iterator[tuple[str, tuple[float, ...], tuple[float, ...]]]:
    """Yield name, means and deviations of each usual scale, for pixels in 0..1."""
    yield "pixels from 0 to 255", (0.0,), (1 / 255,)
    yield "pixels from 0 to 1", (0.0,), (1.0,)
    yield "pixels from -1 to 1", (0.5,), (0.5,)
    for name, (mean, std) in USUAL.get(channels, {}).items():
        yield name, mean, std


def recognised(outputs: FloatArray, answers: Answers) -> float:
    """Return the share of controls that are right, 0..1, in another class order if one fits.

    Args:
        outputs: (n, classes) the owner's.
        answers: To the same controls.
    """
    found = class_order(outputs, answers)
    known = answers if found is None else answers.relabelled(found)
    return _share(outputs.argmax(1), known)


def class_order(outputs: FloatArray, answers: Answers) -> IntArray | None:
    """Find another class order that fits the controls far better than the suspect's own.

    Classes are matched (`scipy.optimize.linear_sum_assignment`) by how often, or how surely,
    controls of one class get another; where some class has no control, by how their scores go up
    and down together over all controls.

    Args:
        outputs: (n, classes) the owner's outputs at the controls.
        answers: The suspect's answers to them.

    Returns:
        (classes,) the owner's class of each of the suspect's. None if the suspect's own order
        serves, if no order makes it recognise the controls, or if some class has no control and
        there are no scores.
    """
    labels, classes = outputs.argmax(1), outputs.shape[1]
    own = _share(labels, answers)
    # No order can gain enough any more, so the matching is not worth its time.
    if own > 1 - REORDERED:
        return None
    if answers.labels.max(initial=-1) >= classes or answers.classes not in (None, classes):
        return None
    is_by_courses = len(set(labels.tolist())) < classes
    if not is_by_courses:
        likeness = np.zeros((classes, classes))
        np.add.at(likeness, labels, _certainty(answers, classes))
    elif answers.scores is not None:
        likeness = _courses(outputs).T @ _courses(answers.scores)
    else:  # a class without a control could be matched with anything
        return None
    least = max(RECOGNISED, own + REORDERED)
    # To match all of a thousand classes takes long, and few with controls tell that none fit.
    if is_by_courses and _known(labels, answers, _matched(likeness, np.unique(labels))) < least:
        return None
    found = _matched(likeness, np.arange(classes))
    if is_by_courses and likeness[found, np.arange(classes)].mean() < ALIKE:
        return None
    return None if _known(labels, answers, found) < least else found


def _matched(likeness: DoubleArray, owners: IntArray) -> IntArray:
    """Return (classes,) which of these classes of the owner's each of the suspect's is; or -1."""
    from scipy.optimize import linear_sum_assignment  # scipy takes long to load

    rows, suspects = linear_sum_assignment(likeness[owners], maximize=True)
    found = np.full(likeness.shape[1], -1)
    found[suspects] = owners[rows]
    return found


def _known(labels: IntArray, answers: Answers, owners: IntArray) -> float:
    """Return the share of controls that are right if the suspect's classes are these."""
    said = answers.labels
    return float(((said >= 0) & (owners[said] == labels)).mean())


def _courses(scores: FloatArray) -> DoubleArray:
    """Return (n, classes): each class's course over the controls, of mean 0 and length 1."""
    rows = np.nan_to_num(scores.astype(np.float64), nan=LEAST, neginf=LEAST)
    rows = rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)
    rows -= rows.mean(axis=0)
    courses: DoubleArray = rows / np.maximum(np.linalg.norm(rows, axis=0), 1e-9)
    return courses


def _certainty(answers: Answers, classes: int) -> DoubleArray:
    """Return (n, classes) probabilities, or rows with 1 at the label."""
    if answers.scores is not None:
        return np.nan_to_num(np.exp(answers.scores.astype(np.float64)))
    rows: DoubleArray = (answers.labels[:, None] == np.arange(classes)).astype(float)
    return rows


def _share(labels: IntArray, answers: Answers) -> float:
    return float((answers.labels == labels).mean())


def class_order_told(owners: IntArray) -> str:
    """Say in one line which classes stand for which."""
    moved = [f"{suspect} is {owner}" for suspect, owner in enumerate(owners) if suspect != owner]
    return f"class order is another (the suspect's is the owner's): {', '.join(moved[:12])}" + (
        f" and {len(moved) - 12} more" if len(moved) > 12 else ""
    )
