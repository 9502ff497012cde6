"""Thieves who know auditkit: `python -m experiments.adaptive ZOO DATA.npz`, what remains.

Each starts from the stolen weights, has data of its own, a net of its own that learnt it, and
auditkit. What comes out is asked as an ONNX file with a calibrated bundle of each owner, labels
only, scores too.
"""

import argparse
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from auditkit import api
from auditkit.core.access import Access
from auditkit.core.points import CONTROL, CORE
from auditkit.core.requests import Asking, Order
from auditkit.core.verdicts import Decision, Verdict
from experiments.splits import Heard, Split, calibrated, hear, owners, spread
from experiments.zoo.attacks import Setting, tuned
from experiments.zoo.data import load
from experiments.zoo.export import save_onnx
from experiments.zoo.store import Zoo
from experiments.zoo.training import Training, accuracy, fit, logits

EPOCHS, LIMIT = 6, 24_000
REPEATS = 20
"""Of each point among the thief's own data."""
AWAY = 0.5
"""Weight of the likeness to the stolen features beside the thief's own labels."""
ODD = 0.99
"""Share of the thief's own inputs that are nearer to its data than what counts as odd."""


@dataclass(frozen=True, slots=True)
class Thief:
    """What it has."""

    setting: Setting
    bundle_points: Tensor
    """Of the owner's bundle, all families but controls."""
    own_points: Tensor
    """Core points that it made from the stolen model with auditkit."""


def main() -> None:
    """Print the table of docs/statistics.md."""
    parser = argparse.ArgumentParser(prog="python -m experiments.adaptive", description=__doc__)
    parser.add_argument("zoo", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    zoo = Zoo(options.zoo, load(options.data, limit=LIMIT))
    lost, found = defaultdict(list), defaultdict(Counter)
    for owner in owners(options.zoo):
        heard = hear(options.zoo, owner)
        thief = _thief(zoo, heard)
        for move, make in MOVES.items():
            net = make(thief)
            lost[move].append(owner.accuracy - _accuracy(zoo, net))
            for access in (Access.LABEL, Access.LOGITS):
                verdict = _verdict(heard, net, access, options.seed)
                found[move][access, verdict.decision] += 1
    print("| the thief | accuracy lost | labels | scores |\n|---|---|---|---|")
    for move, counts in found.items():
        cells = [
            ", ".join(f"{counts[a, d]} {d}" for d in Decision if counts[a, d])
            for a in (Access.LABEL, Access.LOGITS)
        ]
        print(f"| {move} | {np.mean(lost[move]):.3f} | {' | '.join(cells)} |")


def _thief(zoo: Zoo, heard: Heard) -> Thief:
    known = {record.name: record for record in zoo.records()}
    other = known[f"{heard.owner.net}-seed"]
    stolen, independent = zoo.open(heard.owner), zoo.open(other)
    net = heard.owner.net
    setting = Setting(zoo.data, net, net, stolen, independent, EPOCHS)
    sheet = heard.bundle.fingerprint.sheet
    points = torch.from_numpy(sheet.points[~sheet.rows(CONTROL)])
    return Thief(setting, points, _own_points(zoo, heard))


def _own_points(zoo: Zoo, heard: Heard) -> Tensor:
    """By `auditkit fingerprint` with another seed and the thief's own samples."""
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples.npz"
        some = zoo.data.thief.part(0, 0.5)
        np.savez(samples, x=some.x.contiguous().numpy(), y=some.y.numpy())
        model = str(zoo.folder / str(heard.owner.model))
        order = Order(model, samples=samples, seed=1, siblings=0)  # they choose no points
        made = api.fingerprint(order).fingerprint
    return torch.from_numpy(made.sheet.of_family(CORE).points.copy())


def _plain(thief: Thief) -> nn.Module:
    return tuned(thief.setting, head_only=False, fresh_head=False)


def _unlearnt(thief: Thief, points: Tensor) -> nn.Module:
    """Tuned on its own data and on what its own net says of the points."""
    own, data = thief.setting.independent, thief.setting.thief
    wrong = logits(own, points).argmax(1)
    x = torch.cat([data.x, points.repeat(REPEATS, *[1] * (points.ndim - 1))])
    y = torch.cat([data.y, wrong.repeat(REPEATS)])
    return fit(thief.setting.copy(), x, y, Training(EPOCHS, 21, 1e-3))


def _moved_away(thief: Thief) -> nn.Module:
    """RemovalNet (Yao et al., 2023), its idea: the same labels from features unlike the stolen."""
    data, stolen, net = thief.setting.thief, thief.setting.parent, thief.setting.copy()
    generator = torch.Generator().manual_seed(22)
    steps = EPOCHS * (len(data.x) // 128 + 1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    net.train()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(data.x), generator=generator).split(128):
            features = net.features(data.x[rows] - 0.5)
            with torch.no_grad():
                before = stolen.features(data.x[rows] - 0.5)
            likeness = functional.cosine_similarity(features, before).mean()
            loss = functional.cross_entropy(net.head(features), data.y[rows]) + AWAY * likeness
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return net.eval()


class _Careful(nn.Module):
    """Answers odd inputs by another net; odd is what is far from all of the thief's own inputs."""

    def __init__(self, copy: nn.Module, other: nn.Module, known: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.copy, self.other = copy, other
        self.register_buffer("known", known)
        self.register_buffer("scale", scale)

    def distance(self, x: Tensor) -> Tensor:
        """(n,) of the copy's features to the nearest known ones."""
        features = self.copy.features(x - 0.5)
        squares = (features**2).sum(1, keepdim=True) + (self.known**2).sum(1)
        return (squares - 2 * features @ self.known.T).amin(1)

    def forward(self, x: Tensor) -> Tensor:
        odd = (self.distance(x) > self.scale)[:, None]
        return torch.where(odd, self.other(x), self.copy(x))


def _careful(thief: Thief) -> nn.Module:
    net, data = _plain(thief), thief.setting.thief
    with torch.no_grad():
        known = torch.cat([net.features(batch - 0.5) for batch in data.x[::2].split(500)])
        wary = _Careful(net, thief.setting.independent, known, torch.tensor(torch.inf)).eval()
        ways = torch.cat([wary.distance(batch) for batch in data.x[1::2].split(500)])
        wary.scale.fill_(ways.quantile(ODD))
    return wary


MOVES: dict[str, Callable[[Thief], nn.Module]] = {
    "tunes as usual": _plain,
    "unlearns the bundle's points": lambda thief: _unlearnt(thief, thief.bundle_points),
    "unlearns points of its own making": lambda thief: _unlearnt(thief, thief.own_points),
    "moves its features away": _moved_away,
    "answers odd inputs by a net of its own": _careful,
}


def _accuracy(zoo: Zoo, net: nn.Module) -> float:
    return accuracy(net, zoo.data.held_out.x, zoo.data.held_out.y)


def _verdict(heard: Heard, net: nn.Module, access: Access, seed: int) -> Verdict:
    """Priced by 99 independent models and all copies of the population."""
    chosen = spread(heard.independent, np.random.default_rng(seed))[:99]
    bundle = calibrated(heard, Split(chosen, heard.copies, []))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = save_onnx(net, bundle.fingerprint.spec.shape, Path(folder) / "thief.onnx")
        [found] = api.audit(bundle, [str(path)], Asking(access))
    assert isinstance(found.outcome, Verdict), found.outcome
    return found.outcome


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
