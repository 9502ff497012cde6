"""Are the verdicts right? `python -m experiments.verdicts DATA.npz --zoo FOLDER` on a trained zoo.

For each owner of the zoo: fingerprint it from its TorchScript file and held-out samples, then check
every other model with labels only: all as ONNX, and the first few of each kind as TorchScript,
Python callable and recorded answers too, which must give the same verdict.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime as ort

from auditkit import api
from auditkit.core.access import Access
from auditkit.core.requests import Asking, Options, Order
from auditkit.core.verdicts import Decision, Outcome, Verdict
from auditkit.files.bundle import Bundle
from experiments.zoo.attacks import FLOAT32
from experiments.zoo.data import load
from experiments.zoo.export import save_torchscript
from experiments.zoo.store import Record, Zoo

EVERY_WAY = 2
"""Models of each kind that are asked through every adapter."""
MODIFIED, BROKEN = "modified", "broken"
COLUMN_OF = {
    "all retrained": "retrained",
    "adversarially fine-tuned": "adversarial",
    "averaged": "averaged",
    **dict.fromkeys(("distilled", "extracted by probabilities"), "extracted"),
    **dict.fromkeys(("extracted by labels", "extracted, public data"), "extracted"),
    "data-free extraction": "extracted",
}
"""Every other attack is a modification."""
COLUMNS = (MODIFIED, "homologous", "retrained", "adversarial", "averaged", "extracted", BROKEN)
_CURRENT: list[ort.InferenceSession] = []


class Row(NamedTuple):
    """One suspect; `kind` is its column."""

    kind: str
    decision: Decision
    similarity: float


def answer(inputs: np.ndarray) -> np.ndarray:
    """The suspect behind `python:experiments.verdicts:answer`."""
    return _CURRENT[0].run(None, {"input": inputs})[0]


def main() -> None:
    """Print each verdict, and one table line an owner; exit 1 when an innocent is accused."""
    parser = argparse.ArgumentParser(prog="python -m experiments.verdicts", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--owners", nargs="*", help="names in the manifest; all unless given")
    parser.add_argument("--classes", type=int)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    zoo = Zoo(options.zoo, load(options.data, classes=options.classes, limit=options.limit))
    owners = [record for record in zoo.records() if record.kind == "owner"]
    accused = 0
    for owner in owners:
        if not options.owners or owner.name in options.owners:
            accused += _audit_all(zoo, owner, options.samples, options.seed)
    sys.exit(1 if accused else 0)


def _audit_all(zoo: Zoo, owner: Record, samples: int, seed: int) -> int:
    """Returns how many innocents were called pirated."""
    bundle = _fingerprint(zoo, owner, samples, seed)
    rows: list[Row] = []
    for number, record in enumerate(_suspects(zoo, owner)):
        path, told = zoo.folder / record.file, column(record)
        [found] = api.audit(bundle, [str(path)], Asking(Access.LABEL))
        decision = _decision(found.outcome)
        rows.append(Row(told, decision, _similarity(found.outcome)))
        others = _other_ways(zoo, record, path, bundle) if number % 5 < EVERY_WAY else {}
        differing = [way for way, other in others.items() if _decision(other) is not decision]
        print(
            f"  {path.stem:26} {told:20} accuracy {record.accuracy:.2f}  "
            f"labels {rows[-1].similarity:.2f}  {decision:13} "
            f"{'differs: ' + ', '.join(differing) if differing else ''}",
            flush=True,
        )
    share = max(bundle.fingerprint.parameters["stand-ins share, unpressed"].values())
    print(markdown(f"{zoo.folder.name}, {owner.net} ({owner.accuracy:.2f})", share, rows))
    return sum(row.kind == "homologous" and row.decision is Decision.PIRATED for row in rows)


def markdown(title: str, share: float, rows: Sequence[Row]) -> str:
    """One line of the table in docs/measured/verdicts.md."""
    cells = [_cell([row for row in rows if row.kind == kind]) for kind in COLUMNS]
    return f"| {' | '.join((title, f'{share:.0%}', *cells))} |"


def column(record: Record) -> str:
    """Which column of the table a suspect belongs to."""
    if record.owner is None:
        return "homologous"
    return BROKEN if record.broken else COLUMN_OF.get(record.how, MODIFIED)


def _cell(rows: Sequence[Row]) -> str:
    if not rows:
        return "–"
    counts = Counter(row.decision for row in rows)
    verdicts = ", ".join(f"{counts[kind]} {kind}" for kind in Decision if counts[kind])
    low, high = (edge(row.similarity for row in rows) for edge in (min, max))
    return f"{verdicts} ({low:.2f} – {high:.2f})"


def _fingerprint(zoo: Zoo, owner: Record, samples: int, seed: int) -> Bundle:
    held_out, chosen = zoo.data.held_out, zoo.folder / f"samples-{samples}.npz"
    x, y = held_out.x[:samples].contiguous().numpy(), held_out.y[:samples].numpy()
    np.savez(chosen, x=x, y=y)
    started = time.perf_counter()
    model = zoo.folder / str(owner.model)
    bundle = api.fingerprint(Order(str(model), samples=chosen, seed=seed))
    seconds = time.perf_counter() - started
    made = bundle.fingerprint
    print(
        f"{zoo.folder.name}/{owner.name}: accuracy {owner.accuracy:.2f}, {seconds:.0f} s, "
        f"level {made.parameters['level']} within {made.parameters['bound']}\n"
        f"  {made.discrimination}: {made.reason}",
        flush=True,
    )
    return bundle


def _suspects(zoo: Zoo, owner: Record) -> Iterator[Record]:
    for record in zoo.records():
        if record.name != owner.name and record.owner in (None, owner.name) and not record.task:
            yield record


def _other_ways(zoo: Zoo, record: Record, path: Path, bundle: Bundle) -> dict[str, Outcome]:
    _CURRENT[:] = [ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])]
    points = bundle.fingerprint.sheet.points
    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder) / "answers.npz"
        np.savez(recorded, labels=answer(points).argmax(axis=1))
        ways = {"callable": "python:experiments.verdicts:answer", "recorded": str(recorded)}
        if record.form == FLOAT32:
            script = save_torchscript(zoo.open(record), zoo.data.shape, Path(folder) / "model.pt")
            ways["torchscript"] = str(script)
        asking = Asking(Access.LABEL, Options())  # the zoo's files are our own
        outcomes = [found.outcome for found in api.audit(bundle, ways.values(), asking)]
    return dict(zip(ways, outcomes, strict=True))


def _decision(outcome: Outcome) -> Decision:
    assert isinstance(outcome, Verdict), outcome
    return outcome.decision


def _similarity(outcome: Outcome) -> float:
    assert isinstance(outcome, Verdict)
    values = {opinion.name: opinion.value for opinion in outcome.identifications}
    return values["label_similarity"] or 0.0


if __name__ == "__main__":
    from experiments import verdicts

    verdicts.main()
