"""The whole story on real handwritten digits: train, line up, check, and an honest no.

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
from rich.console import Console
from rich.table import Column, Table
from sklearn.datasets import load_breast_cancer
from torch import Tensor, nn

from examples.recipe import CLASSES, OWNER, SHAPE, digits, trained
from experiments.zoo.data import unit_rows
from experiments.zoo.export import save_fp16, save_int8, save_onnx, save_torchscript
from experiments.zoo.nets import NETS
from experiments.zoo.pruning import pruned
from experiments.zoo.training import Training, accuracy, fit, logits

FOLDER = Path("demo")
MODEL, BUNDLE, REPORT = (f"{FOLDER}/{name}" for name in ("model.pt", "model.fp", "report.json"))
SHAPED = ("--input-shape", "1,14,14", "--input-range", "0,1")
THIEF, SAMPLES = slice(2500, 4000), slice(4000, 5000)
console = Console()


def main() -> None:
    """Tell it."""
    FOLDER.mkdir(exist_ok=True)
    x, y = digits()
    console.rule("1  An owner trains a classifier; others copy it, or train their own")
    owner = trained("strided", x[OWNER], y[OWNER], seed=0)
    save_torchscript(owner, SHAPE, FOLDER / "model.pt")
    np.savez(FOLDER / "samples.npz", x=x[SAMPLES].numpy(), y=y[SAMPLES].numpy())
    truths = {**_copies(owner, x, y), **_innocents(x, y)}
    console.rule("2  The owner trains twins, its own recipe with other seeds, and a fingerprint")
    _auditkit("twins", MODEL, "--train", "examples.recipe:twin", "-o", f"{FOLDER}/twins", *SHAPED)
    samples = ("--samples", f"{FOLDER}/samples.npz")
    _auditkit("fingerprint", MODEL, *samples, "--twins", f"{FOLDER}/twins", "-o", BUNDLE)
    console.rule("3  An auditor checks a suspect, then all of them")
    _auditkit("check", BUNDLE, f"{FOLDER}/fine-tuned.onnx")
    suspects = [f"{FOLDER}/{name}" for name in truths]
    # copy.pt is our own file; opening a stranger's TorchScript can run its author's code.
    _auditkit("check", BUNDLE, *suspects, "-f", "json", "-o", REPORT)
    right = _verdicts(truths)
    console.rule("4  The honest no: a task on which every innocent agrees")
    _honest_no()
    console.rule("Files to look at")
    console.print(f"{FOLDER}/model.fp  {FOLDER}/report.json  {FOLDER}/*.onnx")
    sys.exit(0 if right else 1)


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
        head = net.get_submodule("head")
        assert isinstance(head, nn.Linear)
        head.reset_parameters()
        return fit(net, x[THIEF], y[THIEF], Training(4, 2, 1e-2), list(head.parameters()))

    def distilled() -> nn.Module:
        # At the usual temperature of 4 (Hinton et al., 2015), and for longer.
        taught = x[: SAMPLES.start]
        torch.manual_seed(3)
        targets = (logits(owner, taught) / 4).softmax(1)
        return fit(NETS["strided"](SHAPE, CLASSES), taught, targets, Training(8, 3))

    nets = {
        "fine-tuned": _timed("fine-tuned", fine_tuned, x, y),
        "head-retrained": _timed("head retrained", new_head, x, y),
        "pruned": _timed("pruned by 20 %", lambda: pruned(copy.deepcopy(owner), 0.2), x, y),
        "distilled": _timed(
            "distilled",
            distilled,
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
    half = slice(2500, 4000)
    nets = {
        "other-seed": lambda: trained("strided", x[OWNER], y[OWNER], seed=4),
        "other-net": lambda: trained("lenet", x[OWNER], y[OWNER], seed=5),
        "other-data": lambda: trained("strided", x[half], y[half], seed=6),
    }
    for name, make in nets.items():
        save_onnx(_timed(f"innocent: {name}", make, x, y), SHAPE, FOLDER / f"{name}.onnx")
    return {f"{name}.onnx": "innocent" for name in nets}


def _auditkit(*arguments: str) -> None:
    console.print(f"$ auditkit {' '.join(arguments)}", style="bold", markup=False, highlight=False)
    command = [sys.executable, "-m", "auditkit", *arguments]
    code = subprocess.run(command, check=False).returncode
    console.print(f"exit code {code}\n", style="dim", highlight=False)


def _verdicts(truths: dict[str, str]) -> bool:
    """Print the table; whether copies are called pirated, and innocents homologous."""
    report = json.loads(Path(REPORT).read_text())
    whole = [Column(head, no_wrap=True) for head in ("suspect", "in truth", "verdict", "gap")]
    table = Table(*whole, Column("why", max_width=24))
    right = True
    for entry in report["suspects"]:
        name = Path(entry["suspect"]).name
        gap = f"{entry['line_up']['gap']:+.1f}"
        why = entry["reason_code"].replace("-", " ")
        table.add_row(name, truths[name], entry["verdict"], gap, why)
        right &= entry["verdict"] == ("homologous" if truths[name] == "innocent" else "pirated")
    console.print(table)
    console.print(
        "The gap is how many deviations the owner stands out by among its twins, as the one whom "
        "the suspect resembles."
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
    rows = f"{FOLDER}/rows"
    _auditkit("fingerprint", f"{rows}.pt", "--samples", f"{rows}.npz", "-o", f"{rows}.fp")
    _auditkit("check", f"{rows}.fp", f"{rows}-innocent.onnx")


if __name__ == "__main__":
    main()
