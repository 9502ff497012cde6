"""Asks one evasion in every form, as a real suspect, and measures what it is worth to a thief."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from auditkit.core.access import Access
from auditkit.core.evidence import Evidence
from auditkit.core.requests import Asking, Isolation, Options
from auditkit.core.verdicts import Verdict
from auditkit.files.bundle import Bundle
from auditkit.judging.judge import judge
from auditkit.suspects.examiner import query
from experiments.evasions.graphs import Evasion, Model
from experiments.evasions.models import UNSEEN, data
from experiments.evasions.surgery import hidden
from experiments.zoo.export import save_onnx

FUNCTION = "function"
FILE, HIDDEN = "file", "file, weights hidden"
OWN = Options("cpu", isolation=Isolation.OFF)
"""A function here is code of ours, and must see the model that it answers by."""
_CURRENT: list[Model] = []


@dataclass(frozen=True, slots=True)
class Told:
    """One verdict."""

    form: str
    access: Access
    twins: str
    verdict: Verdict


def answer(inputs: object) -> Tensor:
    """The suspect behind `python:experiments.evasions.asking:answer`."""
    with torch.no_grad():
        return _CURRENT[0](torch.as_tensor(inputs, dtype=torch.float32))


@torch.no_grad()
def accuracy(model: Model) -> float:
    """Share of right answers to digits that nobody learnt from, 0..1, in batches of 50."""
    x, y = (part[UNSEEN] for part in data())
    said = torch.cat([model(batch) for batch in x.split(50)])
    return float(((said if said.ndim == 1 else said.argmax(dim=1)) == y).float().mean())


def as_files(model: Model, parts: tuple[nn.Module, ...], folder: Path) -> dict[str, str]:
    """The same answers as an ONNX file that shows its weights, and as one that doesn't."""
    net = Evasion(model, parts).eval()
    shown = save_onnx(net, (1, 14, 14), folder / "suspect.onnx")
    return {FILE: str(shown), HIDDEN: str(hidden(shown, folder / "hidden.onnx"))}


def heard_as_function(model: Model, bundle: Bundle) -> Evidence:
    """What a model says that answers on somebody's machine: no file is seen."""
    _CURRENT[:] = [model]
    return query(bundle, "python:experiments.evasions.asking:answer", Asking(options=OWN, thorough=True))


def heard_as_file(path: str, bundle: Bundle) -> Evidence:
    """What a file says."""
    return query(bundle, path, Asking(options=Options("cpu"), thorough=True))


def told(form: str, twins: str, evidence: Evidence, bundle: Bundle) -> Iterator[Told]:
    """The verdicts by scores, where there are any, and by labels."""
    for access in dict.fromkeys((evidence.access, Access.LABEL)):
        kept = replace(evidence, answers=evidence.answers.capped(access))
        if access is Access.LABEL and form == FUNCTION:
            kept = replace(kept, classes=None)  # labels alone don't tell how many there are
        yield Told(form, access, twins, judge(bundle, kept))
