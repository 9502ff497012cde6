"""Suspects that hide: `python -m experiments.evasion ZOO` on the small population, labels only.

Random answers (every copy, so many of its answers replaced, always the same way, which repeated
questions can't show), disguises (class order, layout, preprocessing) on real ONNX files, and copies
that were transferred to another label space.
"""

import argparse
import contextlib
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from auditkit import api
from auditkit.adapters import identified, open_suspect
from auditkit.bench.statistics import auc
from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.evidence import Evidence
from auditkit.core.models import SuspectRecord
from auditkit.core.points import CORE, MISTAKE, Sheet
from auditkit.core.requests import Asking, Options
from auditkit.core.verdicts import Decision
from auditkit.judging.identification.relations import correlation
from auditkit.suspects.examiner import ask_opened
from experiments.splits import Heard, calibrated, column, hear, made, owners, splits
from experiments.verdicts import MODIFIED
from experiments.zoo.attacks import FLOAT32
from experiments.zoo.export import save_onnx
from experiments.zoo.nets import new
from experiments.zoo.store import Record, read_records

SHARES = (0.0, 0.1, 0.2, 0.5)
WORN = 4
"""Copies and innocents of each owner that are disguised."""


def main() -> None:
    """Print the tables of docs/statistics.md."""
    parser = argparse.ArgumentParser(prog="python -m experiments.evasion", description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(_transferred(options.zoo), flush=True)
    heard = [hear(options.zoo, owner) for owner in owners(options.zoo)]
    print(f"\n{_random(heard, options.seed)}", flush=True)
    print(f"\n{_disguised(options.zoo, heard, options.seed)}")


def _transferred(zoo: Path) -> str:
    lines = ["| relations by | AUC, mean over owners | each owner's |", "|---|---|---|"]
    for name, labels_only in (("scores", False), ("labels", True)):
        areas = [_area(zoo, owner, labels_only=labels_only) for owner in owners(zoo)]
        each = ", ".join(f"{area:.2f}" for area in areas)
        lines.append(f"| {name} | {np.mean(areas):.2f} | {each} |")
    return "\n".join(lines)


def _area(zoo: Path, owner: Record, *, labels_only: bool) -> float:
    bundle = made(zoo, owner, "deepcore", 100)
    values: dict[bool, list[float]] = {True: [], False: []}
    for record in read_records(zoo):
        if record.task:
            known = SuspectRecord(record.name, None, "onnx", {})
            suspect = identified(str(zoo / record.file))
            with contextlib.closing(open_suspect(suspect, Options("cpu"))) as adapter:
                said = ask_opened(bundle, adapter, known).answers
            shown = said.capped(Access.LABEL) if labels_only else said
            value = correlation(bundle.fingerprint.sheet, shown)
            values[record.owner == owner.name].append(value or 0.0)
    return auc(np.array(values[True]), np.array(values[False]))


def _random(heard: Sequence[Heard], seed: int) -> str:
    """Copies called homologous, of all: modified ones, and distilled or extracted ones."""
    lines = [
        "| references | random on | share | modified copies cleared | all other copies cleared |",
        "|---|---|---|---|---|",
    ]
    for calibrating in (True, False):
        for families in ((CORE,), (CORE, MISTAKE)):
            for share in SHARES:
                counts = Counter(_cleared(heard, calibrating, families, share, seed))
                cells = [f"{counts[kind, True]} of {counts[kind, True] + counts[kind, False]}"
                         for kind in (True, False)]  # fmt: skip
                known = "99 and 21" if calibrating else "none"
                where = " and ".join(families)
                lines.append(f"| {known} | {where} | {share:.0%} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cleared(
    heard: Sequence[Heard], calibrating: bool, families: Sequence[str], share: float, seed: int
) -> Iterator[tuple[bool, bool]]:
    """Whether each copy is a modified one, and whether it is called homologous."""
    rng = np.random.default_rng(seed)
    for one in heard:
        for split in splits(one, seed):
            bundle = calibrated(one, split) if calibrating else one.bundle
            for record in split.held_out:
                if record.owner == one.owner.name and not record.broken:
                    sheet = bundle.fingerprint.sheet
                    said = _scrambled(one.answers[record.name], sheet, families, share, rng)
                    found = api.judge(bundle, replace(said, bundle_digest=bundle.digest))
                    modified = column(one, record) == MODIFIED
                    yield modified, found.decision is Decision.HOMOLOGOUS


def _scrambled(
    said: Evidence,
    sheet: Sheet,
    families: Sequence[str],
    share: float,
    rng: np.random.Generator,
) -> Evidence:
    labels = said.answers.labels.copy()
    odd = np.isin(sheet.family, families) & (rng.random(len(labels)) < share)
    labels[odd] = rng.integers(0, said.classes or 10, odd.sum())
    return replace(said, answers=Answers(labels))


class _Worn(nn.Module):
    """A net behind something else."""

    def __init__(
        self,
        net: nn.Module,
        before: Callable[[Tensor], Tensor],
        after: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.net, self.before, self.after = net, before, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.net(self.before(x)))


def _as_it_is(x: Tensor) -> Tensor:
    return x


DISGUISES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], str]] = {
    "classes permuted": (_as_it_is, lambda y: y.roll(3, 1), "class order is another"),
    "channels last": (lambda x: x.permute(0, 3, 1, 2), _as_it_is, ""),
    "0 to 255": (lambda x: x / 255, _as_it_is, "pixels from 0 to 255"),
    "-1 to 1": (lambda x: (x + 1) / 2, _as_it_is, "pixels from -1 to 1"),
    "mean and deviation": (lambda x: x * 0.3530 + 0.2860, _as_it_is, "Fashion-MNIST's mean"),
    "0 to 255, permuted": (lambda x: x / 255, lambda y: y.roll(3, 1), "pixels from 0 to 255"),
}
"""What the suspect does before and after its net, and how the report calls it."""


def _disguised(zoo: Path, heard: Sequence[Heard], seed: int) -> str:
    lines = [
        "| disguise | suspects | verdict as undisguised | named in the report | copies cleared |",
        "|---|---|---|---|---|",
    ]
    for name in DISGUISES:
        same = named = cleared = total = 0
        for one in heard:
            for plain, worn, is_copy in _pairs(zoo, one, name, seed):
                total += 1
                same += plain.decision is worn.decision
                named += DISGUISES[name][2] in " ".join(worn.disguises)
                cleared += is_copy and worn.decision is Decision.HOMOLOGOUS
        lines.append(f"| {name} | {total} | {same} | {named} | {cleared} |")
    return "\n".join(lines)


def _pairs(zoo: Path, heard: Heard, name: str, seed: int) -> Iterator[tuple]:
    """Verdicts on some held-out models as they are, and disguised; whether it is a copy."""
    split = next(splits(heard, seed))
    bundle, before = calibrated(heard, split), name == "channels last"
    groups = ([r for r in split.held_out if column(heard, r) == MODIFIED and r.form == FLOAT32],
              [r for r in split.held_out if r.owner is None])  # fmt: skip
    shape = bundle.fingerprint.spec.shape
    for is_copy, records in zip((True, False), groups, strict=True):
        for record in records[:WORN]:
            net = new(record.net, shape, record.classes, 0)
            net.load_state_dict(load_file(zoo / record.weights))
            worn = _Worn(net.eval(), *DISGUISES[name][:2])
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                taken = (*shape[1:], shape[0]) if before else shape
                path = save_onnx(worn, taken, Path(folder) / "worn.onnx")
                asked = Asking(Access.LABEL)
                plain, found = api.audit(bundle, [str(zoo / record.file), str(path)], asked)
            yield plain.outcome, found.outcome, is_copy


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
