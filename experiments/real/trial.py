"""The whole trial of one network: its bundle, its suspects, their verdicts, and what they took."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from auditkit.files import bundle
from experiments.real.running import Spent, run, verdicts

INSIDE = "normalisation inside"
SAMPLES, APART = 300, 60


@dataclass(frozen=True, slots=True)
class Network:
    """A published network and how suspects are made from it."""

    title: str
    owner: tuple[str, ...]
    """Model and options of `auditkit fingerprint`."""
    samples: Callable[[int, int], np.ndarray]
    """A number and a seed -> inputs as an owner has them."""
    inputs: Callable[[np.ndarray], np.ndarray]
    """The same as the net itself takes them, float32."""
    plain: Callable[[np.ndarray], np.ndarray]
    """The same as suspects take them that normalise for themselves."""
    suspects: Callable[[Path, np.ndarray], dict[str, Path]]
    """Writes suspects into a folder; copies learn from these inputs. Name -> ONNX file."""


def tried(network: Network, folder: Path) -> Iterator[str]:
    """Lines of Markdown, as soon as they are known."""
    folder.mkdir(parents=True, exist_ok=True)
    samples, made = folder / "samples.npz", folder / "owner.fp"
    if not samples.exists():
        np.savez(samples, x=network.samples(SAMPLES, 0))
    given = ("--samples", samples, "--from-scratch", "-o", made)
    spent = None if made.exists() else run("fingerprint", *network.owner, *given)
    files = network.suspects(folder, network.inputs(network.samples(APART, 1)))
    yield from _bundle_told(network, made, spent)
    report = folder / "report.json"
    checked = run("check", made, *files.values(), "-o", report, "--quiet")
    said = verdicts(report)
    bare = sum(_bare(path, made, said[path.name]["sent"]) for path in files.values())
    yield (
        f"All {len(files)} suspects in one command: {checked.told()}; onnxruntime alone took "
        f"{bare / 60:.1f} min for the same questions ({checked.seconds / bare:.2f} times that)."
    )
    yield from (
        "",
        "| suspect | labels kept | core points | weights | verdict |",
        "|---|---|---|---|---|",
    )
    apart = network.samples(APART, 2)
    owner = _labels(files["the owner"], network.inputs(apart))
    for name, path in files.items():
        taken = network.plain if name == INSIDE else network.inputs
        kept = float((_labels(path, taken(apart)) == owner).mean())
        yield _row(name, kept, said[path.name])


def _bundle_told(network: Network, path: Path, spent: Spent | None) -> Iterator[str]:
    made = bundle.read(path).fingerprint
    taken = "made before" if spent is None else spent.told()
    size = path.stat().st_size / 1e6
    yield from (f"### {network.title}", "")
    yield f"{len(made.sheet.of_family('core').points)} core points, {taken}, {size:.1f} MB."
    yield f"{made.discrimination}: {made.reason}."
    yield ""


def _row(name: str, kept: float, said: dict[str, Any]) -> str:
    values = {one["name"]: one.get("value") for one in said["identifications"]}

    def shown(key: str) -> str:
        value = values.get(key)
        return "" if value is None else f"{value:.2f}"

    shares = (shown("label_similarity"), shown("weights"))
    return f"| {name} | {kept:.2f} | {' | '.join(shares)} | {said['verdict']} |"


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _labels(path: Path, rows: np.ndarray) -> np.ndarray:
    session = _session(path)
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: part})[0] for part in np.array_split(rows, len(rows) // 10)]
    return np.concatenate(parts).argmax(1)


def _bare(path: Path, made: Path, count: int) -> float:
    """Seconds that onnxruntime alone takes to open a file and to answer so many points."""
    points = bundle.read(made).fingerprint.sheet.points
    points = points[np.arange(count) % len(points)]
    begun = time.monotonic()
    _labels(path, points.astype(np.float32))
    return time.monotonic() - begun
