"""A scan of many suspects beside the bare work in it: `python -m experiments.fleet [--suspects N]`.

Bare is onnxruntime alone on both cores, one thread each: every suspect is opened once and asked as
many points as the scan asked it. Both are measured one after the other, so on a machine with other
work only the ratios say something, and those of disturbed runs vary by a tenth or two.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from auditkit.adapters import onnx_weights
from auditkit.core.access import Access
from auditkit.core.fingerprint import Discrimination, Fingerprint, OwnWeights
from auditkit.core.models import OwnerRecord
from auditkit.core.points import CONTROL, CORE, MISTAKE, Family, InputSpec, Sheet
from auditkit.core.provenance import sha256
from auditkit.core.weights import sketch
from auditkit.files import bundle as bundles
from auditkit.files.bundle import Bundle
from auditkit.fleet.ledger import Ledger
from experiments.zoo.export import save_onnx
from experiments.zoo.nets import new
from tests.hostile.families import FAMILIES

SHAPE, CLASSES, WORKERS = (3, 32, 32), 10, 2
COUNTS = {CORE: 100, CONTROL: 30, MISTAKE: 45}
BUNDLES, MANY_BUNDLES, FEW, HOSTILE = 5, 50, 100, 20
BARE = """
import sys, numpy as np, onnxruntime as ort
options = ort.SessionOptions()
options.intra_op_num_threads = 1
points = np.load(sys.argv[2])
for line in open(sys.argv[1]):
    path, *counts = line.split()
    data = open(path, "rb").read()
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    for count in map(int, counts):
        for start in range(0, count, 100):
            session.run(None, {"input": points[: min(100, count - start)]})
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    seconds: float
    computed: float
    """Seconds of computing time of all its processes; other work on the machine changes it less."""
    memory: float
    """Largest sum of what its processes held at one moment, in MiB; shared pages count once."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suspects", type=int, default=1000)
    parser.add_argument("--net", default="resnet")
    parser.add_argument("--few", type=int, default=FEW, help="suspects of the shorter parts")
    parser.add_argument("--parts", default="bare,many,hostile", help="what is measured")
    chosen = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), chosen.net)
        place.write_suspects(chosen.suspects)
        place.write_bundles(MANY_BUNDLES)
        start = place.scanned("start", place.suspects(1), 1)
        print(f"start of a scan                          {start.seconds:7.1f} s", flush=True)
        few, parts = min(chosen.few, chosen.suspects), chosen.parts.split(",")
        _against_bare(place, few, start)
        if chosen.suspects > few and "bare" in parts:
            _against_bare(place, chosen.suspects, start)
        if "many" in parts:
            _many_bundles(place, few)
        if "hostile" in parts:
            _hostile(place, few)


def _against_bare(place: "Place", count: int, start: Measured) -> None:
    suspects = place.suspects(count)
    found = place.scanned(f"whole{count}", suspects, BUNDLES)
    bare = place.bare(f"whole{count}")
    ratio = found.seconds / (bare.seconds + start.seconds)
    each = 1e3 * (found.computed - bare.computed - start.computed) / count
    print(f"{count} suspects, {BUNDLES} bundles", flush=True)
    print(f"  bare onnxruntime on {WORKERS} cores            {bare.seconds:7.1f} s")
    print(f"  scan over bare and start               {ratio:7.2f} times (aim 1.25)")
    print(f"  beside the bare work, a suspect        {each:7.0f} ms of a core")
    ratio = found.computed / (bare.computed + start.computed)
    print(f"  the same in computing time             {ratio:7.2f} times")
    print(
        f"  largest memory                         {found.memory:7.0f} MiB (aim: flat)", flush=True
    )


def _many_bundles(place: "Place", count: int) -> None:
    suspects = place.suspects(count)
    found, bare = [], []
    for bundles_each in (1, MANY_BUNDLES):
        name = f"bundles{bundles_each}"
        found.append(place.scanned(name, suspects, bundles_each))
        bare.append(place.bare(name))
    wall, computed = (
        (getattr(found[1], what) - getattr(bare[1], what) + getattr(bare[0], what))
        / getattr(found[0], what)
        for what in ("seconds", "computed")
    )
    print(f"{count} suspects, {MANY_BUNDLES} bundles over one bundle", flush=True)
    print(f"  scans of {found[1].seconds:.1f} s over {found[0].seconds:.1f} s")
    print(f"  bare of {bare[1].seconds:.1f} s over {bare[0].seconds:.1f} s")
    print(f"  without the extra inference            {wall:7.2f} times (aim 1.3)")
    print(f"  the same in computing time             {computed:7.2f} times", flush=True)


def _hostile(place: "Place", count: int) -> None:
    """Verdicts beside hostile files are those without them."""
    before = place.verdicts(f"whole{count}")
    hostile = list(place.hostile(HOSTILE))
    found = place.scanned("hostile", [*place.suspects(count), *hostile], BUNDLES, "10")
    after = place.verdicts("hostile")
    changed = [pair for pair, verdict in before.items() if after[pair] != verdict]
    print(f"{count} suspects and {len(hostile)} hostile files", flush=True)
    print(f"  verdicts that changed                  {len(changed):7} of {len(before)}")
    print(f"  largest memory                         {found.memory:7.0f} MiB", flush=True)


class Place:
    """A folder with suspects and bundles, in which scans are run."""

    def __init__(self, folder: Path, net: str) -> None:
        self._folder = folder
        (folder / "suspects").mkdir()
        owner = new(net, SHAPE, CLASSES, 0).eval()
        self._model = onnx.load(save_onnx(owner, SHAPE, folder / "owner.onnx"))
        self._owner = owner

    def write_suspects(self, count: int) -> None:
        """Write models of one architecture with weights of their own."""
        rng = np.random.default_rng(0)
        kept = [numpy_helper.to_array(one) for one in self._model.graph.initializer]
        for number in range(count):
            noise_of = rng.uniform(0.02, 0.2)
            for one, weights in zip(self._model.graph.initializer, kept, strict=True):
                noise = rng.normal(size=weights.shape).astype(weights.dtype)
                scale = noise_of * np.abs(weights).mean() if weights.ndim > 1 else 0
                one.CopyFrom(numpy_helper.from_array(weights + scale * noise, one.name))
            onnx.save(self._model, self._folder / "suspects" / f"{number:05}.onnx")

    def write_bundles(self, count: int) -> None:
        """Write bundles of one owner, with points and a sketch of its own each."""
        rng = np.random.default_rng(1)
        layers = onnx_weights.read((self._folder / "owner.onnx").read_bytes(), {})
        for number in range(count):
            families = {}
            for name, size in COUNTS.items():
                points = (rng.integers(0, 256, (size, *SHAPE)) / 255).astype(np.float32)
                with torch.no_grad():
                    outputs = self._owner(torch.from_numpy(points)).numpy()
                families[name] = Family(points, outputs)
            sheet = Sheet.of(families)
            np.save(self._folder / "points.npy", sheet.points)
            made = Fingerprint(
                "deepcore",
                {},
                number,
                InputSpec(SHAPE, (0.0,), (1.0,)),
                OwnerRecord("owner", sha256(b"owner"), Access.LOGITS, CLASSES),
                sheet,
                Discrimination.DISCRIMINATING,
                "",
                weights=OwnWeights(sketch(layers, number), 0.5, from_scratch=True),
            )
            bundles.write(Bundle(made), self._folder / f"{number}.fp")

    def suspects(self, count: int) -> list[str]:
        """Return the first suspects' paths."""
        return [str(self._folder / "suspects" / f"{number:05}.onnx") for number in range(count)]

    def hostile(self, count: int) -> Iterator[str]:
        """Write some hostile files of every second family and yield their paths."""
        families = [family for name, family in FAMILIES.items() if "python" not in name]
        folder = self._folder / "hostile"
        folder.mkdir()
        for number in range(count):
            of_one = [one for one in families[number % len(families)]() if one.name[-3:] != ".py"]
            one = of_one[number // len(families) % len(of_one)]
            path = folder / f"{number}{Path(one.name).suffix}"
            one.write(path)
            yield str(path)

    def bare(self, name: str) -> Measured:
        """Ask what a scan asked with onnxruntime alone, in as many processes as it had workers."""
        sent: dict[str, list[str]] = {}
        with Ledger.open(self._folder / f"{name}.db") as ledger:
            for one in ledger.pairs():
                found = ledger.verdict(one)["suspects"][0]["sent"]
                sent.setdefault(one.suspect, []).append(str(found))
        lines = [" ".join([path, *counts]) for path, counts in sorted(sent.items())]
        commands = []
        for number in range(WORKERS):
            listed = self._folder / f"part{number}.txt"
            listed.write_text("\n".join(lines[number::WORKERS]))
            points = str(self._folder / "points.npy")
            commands.append([sys.executable, "-c", BARE, str(listed), points])
        return _run(commands)

    def scanned(
        self, name: str, suspects: Sequence[str], count: int, seconds: str = "600"
    ) -> Measured:
        """Scan suspects with the first bundles into a ledger of this name."""
        return _run([self.command(name, suspects, count, seconds)])

    def command(
        self, name: str, suspects: Sequence[str], count: int, seconds: str = "600"
    ) -> list[str]:
        """Return the command line of such a scan."""
        listed = self._folder / f"{name}.txt"
        listed.write_text("\n".join(suspects))
        found = [str(self._folder / f"{number}.fp") for number in range(count)]
        return [
            *(sys.executable, "-m", "auditkit", "scan", *found, str(listed), "--quiet"),
            *("--ledger", str(self._folder / f"{name}.db"), "--workers", str(WORKERS)),
            *("--suspect-seconds", seconds, "--device", "cpu", "-o", f"{listed}.out"),
        ]

    def verdicts(self, name: str) -> dict[tuple[str, str], str]:
        """Return the verdicts of a ledger by suspect and bundle."""
        with Ledger.open(self._folder / f"{name}.db") as ledger:
            return {(one.suspect, one.bundle): one.verdict for one in ledger.pairs()}


def _run(commands: Sequence[Sequence[str]]) -> Measured:
    before = _computed()
    started, peak, over = time.perf_counter(), [0.0], threading.Event()
    running = [subprocess.Popen(one, stdout=subprocess.DEVNULL) for one in commands]

    def watch() -> None:
        while not over.wait(0.5):
            held = sum(map(_held, _tree([one.pid for one in running])))
            peak[0] = max(peak[0], held)

    watching = threading.Thread(target=watch)
    watching.start()
    codes = [one.wait() for one in running]
    seconds = time.perf_counter() - started
    over.set()
    watching.join()
    if any(code not in (0, 3, 4, 5) for code in codes):
        raise SystemExit(f"a run failed with {codes}")
    return Measured(seconds, _computed() - before, peak[0])


def _computed() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree(roots: Sequence[int]) -> set[int]:
    """Return processes with all of their descendants."""
    parents = {}
    for one in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(one.parent.name)] = int(one.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    found, grown = set(roots), True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return found


def _held(process: int) -> float:
    """Return a process's share of memory in MiB."""
    try:
        rolled = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in rolled.splitlines() if line[:4] == "Pss:") / 1024


if __name__ == "__main__":
    main()
