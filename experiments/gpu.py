"""Speed on a card, as ratios of one run: `python -m experiments.gpu` (`--device cpu` elsewhere).

The owner's side: climbing all points at once, against bare forward and backward passes of the same
batches and against one point at a time, as IPGuard does it. The auditor's side: a whole audit of
one ONNX file, against a bare onnxruntime session and run on the same device. Nets have full size
and random weights, so that times are real and verdicts mean nothing.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor

from auditkit import api
from auditkit.adapters import runtime
from auditkit.commands.diagnosis import examine
from auditkit.core.access import Access
from auditkit.core.fingerprint import Discrimination, Fingerprint
from auditkit.core.models import OwnerRecord
from auditkit.core.points import CORE, Family, InputSpec, Sheet
from auditkit.core.provenance import sha256
from auditkit.core.requests import Asking, InputFacts, Options
from auditkit.files import bundle as bundles
from auditkit.files.bundle import Bundle
from auditkit.owner.ascent import Climb, Gait
from auditkit.owner.classifier import Owner, place, torch_device
from auditkit.owner.opening import LoadedModel
from auditkit.owner.room import climbing_at_once
from experiments.gpu_commands import told
from experiments.large_nets import CLASSES, LARGE, new
from experiments.zoo.export import save_onnx

ALONE = 3
"""Points that are climbed one at a time; the time of all is reckoned from these."""


def main() -> None:
    """Print what was used, then one table for each side."""
    parser = argparse.ArgumentParser(prog="python -m experiments.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--nets", nargs="*", choices=LARGE, default=list(LARGE))
    parser.add_argument("--points", nargs="*", type=int, default=[10, 100, 1000, 10_000])
    parser.add_argument("--side", type=int, default=224, help="pixels, a multiple of 16")
    parser.add_argument("--steps", type=int, default=20, help="of a climb")
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--suspects", type=int, default=24, help="of commands that take many")
    options = parser.parse_args()
    device = torch_device(options.device)
    for finding in examine():
        print(f"{finding.subject}: {finding.state}, {finding.told}")
    print(f"\n{options.side} pixels, {options.steps} steps, medians of {options.rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts.split(","):
            for row in PARTS[part](Path(folder), options, device):
                print(row, flush=True)


def _climbs(_: Path, options: argparse.Namespace, device: torch.device) -> Iterator[str]:
    yield "\n| owner | points | climb s | of the bare passes' speed | times faster than alone |"
    yield "|---|---|---|---|---|"
    for name, count in _cases(options):
        owner = _owner(name, options.side, device)
        yield _climbed(name, owner, count, options.steps, options.rounds)


def _audits(folder: Path, options: argparse.Namespace, _: torch.device) -> Iterator[str]:
    yield "\n| suspect | MB | points | session s | audit s | over bare onnxruntime | suspects/s |"
    yield "|---|---|---|---|---|---|---|"
    for name, count in _cases(options):
        yield _audited(name, _file(folder, name, options.side), count, options)


def _commands(folder: Path, options: argparse.Namespace, _: torch.device) -> Iterator[str]:
    name, count = options.nets[0], options.points[0]
    yield f"\nWhole commands, {name}, {count} points\n"
    yield "| command | suspects | s | over bare | suspects/s |"
    yield "|---|---|---|---|---|"
    points, bundle = _points(count, options.side), folder / "bundle.fp"
    bundles.write(_bundle(points), bundle)
    suspect = _file(folder, name, options.side)
    yield from told(bundle, points, suspect, options.suspects, options.device, options.rounds)


PARTS = {"climbs": _climbs, "audits": _audits, "commands": _commands}


def _file(folder: Path, name: str, side: int) -> Path:
    path = folder / f"{name}.onnx"
    if not path.exists():
        save_onnx(new(name, side), (3, side, side), path)
    return path


def _points(count: int, side: int) -> np.ndarray:
    drawn = np.random.default_rng(0).integers(0, 256, (count, 3, side, side))
    return (drawn / 255).astype(np.float32)


def _cases(options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    return ((name, count) for name in options.nets for count in options.points)


def _owner(name: str, side: int, device: torch.device) -> Owner:
    loaded = LoadedModel(name, "sha256:0", new(name, side).to(device))
    facts = InputFacts((3, side, side), (0.0, 1.0))
    return place(loaded, facts, None, device)[0]


def _climbed(name: str, owner: Owner, count: int, steps: int, rounds: int) -> str:
    generator = torch.Generator().manual_seed(0)
    starts = torch.rand((count, *owner.spec.shape), generator=generator).to(owner.device)
    targets = torch.randint(CLASSES, (count,), generator=generator).to(owner.device)
    gait = Gait(steps, 0.01, 0.0)
    fit = climbing_at_once(owner.scores, starts)

    def climb() -> None:
        Climb(owner, starts, targets, (), 1.0, 1.0, gait).to(1e9)

    def bare() -> None:
        for _ in range(steps):
            for part in starts.split(fit):
                _passed(owner, part)
        owner.answers(starts)

    def alone() -> None:
        for row in range(min(ALONE, count)):
            part = slice(row, row + 1)
            Climb(owner, starts[part], targets[part], (), 1.0, 1.0, gait).to(1e9)

    try:
        ours, limit, single = _medians((climb, bare, alone), owner.device, rounds)
    except torch.OutOfMemoryError:
        return f"| {name} | {count} | out of memory | | |"
    single *= count / min(ALONE, count)
    return f"| {name} | {count} | {ours:.2f} | {limit / ours:.0%} | {single / ours:.1f} |"


def _passed(owner: Owner, points: Tensor) -> None:
    leaves = points.detach().requires_grad_()
    torch.autograd.grad(owner.scores(leaves).sum(), leaves)


def _audited(name: str, path: Path, count: int, options: argparse.Namespace) -> str:
    points = _points(count, options.side)
    bundle = _bundle(points)
    asking = Asking(options=Options(options.device))
    chunks = np.array_split(points, -(-count // 100))

    def ours() -> None:
        [_] = api.audit(bundle, [str(path)], asking)

    def start() -> None:
        runtime.opened(path.read_bytes(), options.device)

    providers = [runtime.CUDA] if options.device.startswith("cuda") else []

    def bare() -> None:
        session = ort.InferenceSession(str(path), providers=[*providers, runtime.CPU])
        for chunk in chunks:
            session.run(None, {"input": chunk})

    whole, begun, other = _medians(
        (ours, start, bare), torch.device(options.device), options.rounds
    )
    size = path.stat().st_size / 1e6
    cells = f"{begun:.2f} | {whole:.2f} | {whole / other:.2f} | {1 / whole:.2f}"
    return f"| {name} | {size:.0f} | {count} | {cells} |"


def _bundle(points: np.ndarray) -> Bundle:
    spec = InputSpec(points.shape[1:], (0.0,), (1.0,))
    record = OwnerRecord("owner", sha256(b"owner"), Access.LOGITS, CLASSES)
    outputs = np.random.default_rng(1).normal(size=(len(points), CLASSES)).astype(np.float32)
    sheet = Sheet.of({CORE: Family(points, outputs)})
    found = Discrimination.DISCRIMINATING
    return Bundle(Fingerprint("deepcore", {}, 0, spec, record, sheet, found, ""))


def _medians(
    works: tuple[Callable[[], None], ...], device: torch.device, rounds: int
) -> list[float]:
    """Each work's median time, measured in turns after one round to warm up."""
    for work in works:
        work()
    times = [[_seconds(work, device) for work in works] for _ in range(rounds)]
    return [median(column) for column in zip(*times, strict=True)]


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
