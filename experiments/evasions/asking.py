"""Asks one evasion in every form, and measures what it is worth to a thief."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from auditkit.core.access import Access
from auditkit.core.evidence import Evidence, SeenWeights
from auditkit.core.requests import Asking, Isolation, Options
from auditkit.core.verdicts import Decision
from auditkit.files.bundle import Bundle
from auditkit.judging.judge import judge
from auditkit.suspects.examiner import query
from examples.recipe import SHAPE
from experiments.evasions.graphs import Evasion, Model
from experiments.evasions.models import UNSEEN, data
from experiments.evasions.surgery import hidden
from experiments.zoo.export import save_onnx

API, FILE = "API", "file, weights hidden"
OWN = Options("cpu", isolation=Isolation.OFF)
"""Functions and files here are our own; a function must see the model that it answers by."""
_CURRENT: list[Model] = []


@dataclass(frozen=True, slots=True)
class Column:
    """One way of auditing."""

    twins: str
    form: str
    access: Access


@dataclass(frozen=True, slots=True)
class Asked:
    """One verdict."""

    column: Column
    decision: Decision


def answer(inputs: object) -> Tensor:
    """The suspect behind `python:experiments.evasions.asking:answer`."""
    with torch.no_grad():
        return _CURRENT[0](torch.as_tensor(inputs, dtype=torch.float32))


@torch.no_grad()
def accuracy(model: Model) -> float:
    """Share of right answers to digits that nobody learnt from, 0..1, in batches of 50.

    Each class that is answered stands for the one that it mostly means.
    """
    x, y = (part[UNSEEN] for part in data())
    said = torch.cat([model(batch) for batch in x.split(50)])
    labels = said if said.ndim == 1 else said.argmax(dim=1)
    meant = [y[labels == label].bincount().max() for label in labels.unique()]
    return float(sum(meant) / len(y))


def asked(
    make: Callable[[], Model],
    bundles: Mapping[str, Bundle],
    weights: Mapping[str, SeenWeights | None] | None = None,
) -> Iterator[Asked]:
    """Yield the verdicts on a model.

    Args:
        make: Gives the model, as if nobody had asked it anything yet.
        bundles: With and without twins.
        weights: What its file shows, by bundle; None: a graph can't hold it, so it is no file.
    """
    for twins, bundle in bundles.items():
        _CURRENT[:] = [make()]
        asking = Asking(options=OWN, thorough=weights is not None)
        said = query(bundle, "python:experiments.evasions.asking:answer", asking)
        for form in (API,) if weights is None else (API, FILE):
            seen = None if weights is None or form == API else weights[twins]
            yield from _judged(twins, form, replace(said, weights=seen), bundle)


def file_weights(
    net: nn.Module, folder: Path, bundles: Mapping[str, Bundle]
) -> dict[str, SeenWeights | None]:
    """Return what a file of this net shows of its weights, though each is stored as a sum.

    Filters before it have no weights, so this holds for all of them.
    """
    path = str(as_file(net, (net,), folder))
    return {name: _of_file(path, bundle).weights for name, bundle in bundles.items()}


def asked_as_file(
    model: Model, parts: tuple[nn.Module, ...], folder: Path, bundles: Mapping[str, Bundle]
) -> Iterator[Asked]:
    """Yield the verdicts on the same model as a real file."""
    yield from asked_as(as_file(model, parts, folder), bundles)


def asked_as(path: Path, bundles: Mapping[str, Bundle]) -> Iterator[Asked]:
    """Yield the verdicts on a file."""
    for twins, bundle in bundles.items():
        yield from _judged(twins, FILE, _of_file(str(path), bundle), bundle)


def as_file(
    model: Model,
    parts: tuple[nn.Module, ...],
    folder: Path,
    hide: Callable[[Path, Path], Path] = hidden,
) -> Path:
    """Write an ONNX file that hides its weights, each in a sum of two unless told otherwise."""
    shown = save_onnx(Evasion(model, parts).eval(), SHAPE, folder / "suspect.onnx")
    return hide(shown, folder / "hidden.onnx")


def _of_file(path: str, bundle: Bundle) -> Evidence:
    return query(bundle, path, Asking(options=OWN, thorough=True))


def _judged(twins: str, form: str, said: Evidence, bundle: Bundle) -> Iterator[Asked]:
    for access in (Access.LOGITS, Access.LABEL):
        answers = said.answers.capped(access)
        kept = replace(said, answers=answers)
        if form == API:
            count = bundle.fingerprint.sheet.questions
            # Labels alone don't tell how many classes there are.
            classes = None if access is Access.LABEL else said.classes
            kept = replace(kept, answers=answers.first(count), spent=count, classes=classes)
        yield Asked(Column(twins, form, access), judge(bundle, kept).decision)
