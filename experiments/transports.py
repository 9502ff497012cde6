"""The cost of the way to an API, and the gain by `--robust`: `experiments.transports MODEL`.

MODEL is an owner's TorchScript file, `--samples` its held-out samples. The first table says which
share of core points keeps the owner's label on each way, how deep and how unique the points are,
and what they cost. Where a population's manifest lies beside MODEL, the second table has, behind
each way, the modified copy that agrees least and the innocent that agrees most, and how many are
below and above the least share that accuses on plain points. Ways in brackets
are none that points are made for.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor

from auditkit import api
from auditkit.core.points import CORE, InputSpec
from auditkit.core.requests import InputFacts, Order
from auditkit.files.bundle import Bundle
from auditkit.judging.identification.label_similarity import PIRATED_FROM
from auditkit.owner import transports
from auditkit.owner.classifier import Owner, place
from auditkit.owner.opening import load_model
from auditkit.owner.samples import read_samples
from auditkit.owner.transports import Transport
from experiments.verdicts import MODIFIED, column
from experiments.zoo.store import Record, read_records

CHOICES = ((), ("jpeg",), ("jpeg", "resize"))
SERVED = 224
"""Pixels of a side that many servers work at."""


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m experiments.transports", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    owner = _owner(options.model, options.samples)
    ways = _ways(owner.spec)
    print(
        f"| points | {' | '.join(ways)} | level | copies keep | stand-ins share | CPU s | finding |"
    )
    print(f"|---|{'---|' * (len(ways) + 5)}")
    bundles = {}
    for robust in CHOICES:
        name, started = ", ".join(robust) or "plain", time.process_time()
        # Siblings choose no points, and would be most of the cost.
        order = Order(
            str(options.model),
            samples=options.samples,
            robust=robust,
            seed=options.seed,
            siblings=0,
        )
        bundles[name] = api.fingerprint(order)
        seconds = time.process_time() - started
        print(_made(name, bundles[name], owner, ways, seconds), flush=True)
    _print_population(options.model, bundles, ways)


def _owner(model: Path, samples: Path) -> Owner:
    device = torch.device("cpu")
    loaded = load_model(str(model), None, device)
    return place(loaded, InputFacts(), read_samples(samples), device)[0]


def _ways(spec: InputSpec) -> Mapping[str, Transport]:
    """Those that a bundle names, and harsher compression and larger pictures beside them."""
    return {
        **transports.transports(spec),
        "(jpeg 50)": lambda points: transports.compressed(points, spec.upper[0], "JPEG", 50),
        f"({SERVED} and back)": _served,
    }


def _served(points: Tensor) -> Tensor:
    size = list(points.shape[2:])
    return transports.scaled(transports.scaled(points, [SERVED, SERVED]), size)


def _made(
    name: str, bundle: Bundle, owner: Owner, ways: Mapping[str, Transport], seconds: float
) -> str:
    """One line of the first table."""
    made = bundle.fingerprint
    points = owner.tensor(made.sheet.of_family(CORE).points)
    labels = owner.answers(points).argmax(1)
    shares = [
        float((owner.answers(way(points)).argmax(1) == labels).float().mean())
        for way in ways.values()
    ]
    cells = [
        *(f"{share:.2f}" for share in shares),
        f"{made.parameters['level']:g}",
        f"{made.parameters['worst copy keeps']:.2f}",
        f"{max(made.parameters['stand-ins share, unpressed'].values()):.2f}",
        f"{seconds:.0f}",
        str(made.discrimination),
    ]
    return f"| {name} ({len(points)}) | {' | '.join(cells)} |"


def _print_population(
    model: Path, bundles: Mapping[str, Bundle], ways: Mapping[str, Transport]
) -> None:
    """The second table, where there is a population."""
    records = read_records(model.parent)
    known = [record.name for record in records if record.model == model.name]
    for name in known:
        modified = [r for r in records if r.owner == name and not r.task and column(r) == MODIFIED]
        innocent = [r for r in records if r.owner is None and not r.task and r.name != name]
        print(f"\n{len(modified)} modified copies, {len(innocent)} innocents\n")
        print("| points, way | least modified | mean | closest innocent | mean | missed, accused |")
        print("|---|---|---|---|---|---|")
        copies = _agreement(model.parent, modified, bundles, ways)
        strangers = _agreement(model.parent, innocent, bundles, ways)
        for way in copies:
            print(_asked(way, copies[way], strangers[way]))


def _agreement(
    folder: Path,
    records: list[Record],
    bundles: Mapping[str, Bundle],
    ways: Mapping[str, Transport],
) -> dict[str, list[float]]:
    """Points and way -> each model's share of the owner's labels."""
    asked = dict(_sent(bundles, ways))
    found: dict[str, list[float]] = {name: [] for name in asked}
    for record in records:
        model = ort.InferenceSession(folder / record.file, providers=["CPUExecutionProvider"])
        for name, (points, labels) in asked.items():
            said = model.run(None, {model.get_inputs()[0].name: points})[0].argmax(axis=1)
            found[name].append(float((said == labels).mean()))
    return found


def _sent(
    bundles: Mapping[str, Bundle], ways: Mapping[str, Transport]
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Points as a suspect sees them behind each way, with the owner's labels."""
    for name, bundle in bundles.items():
        core = bundle.fingerprint.sheet.of_family(CORE)
        for way, travel in ways.items():
            seen = travel(torch.from_numpy(np.array(core.points))).numpy()
            yield f"{name}, {way}", (seen, core.labels)


def _asked(name: str, copies: list[float], innocents: list[float]) -> str:
    missed = sum(share < PIRATED_FROM for share in copies)
    accused = sum(share >= PIRATED_FROM for share in innocents)
    return (
        f"| {name} | {min(copies):.2f} | {np.mean(copies):.2f} | {max(innocents):.2f} "
        f"| {np.mean(innocents):.2f} | {missed}, {accused} |"
    )


if __name__ == "__main__":
    main()
