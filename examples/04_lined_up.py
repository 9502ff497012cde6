"""Train twins by the owner's own recipe and judge by a line-up among them; takes some minutes.

Writes `run.pt`, `run.npz`, the folder `runs` and `run.fp`. Run again, it goes on where it was.
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import auditkit

digits = load_digits()
x, y = (digits.images[:, None] / 16).astype(np.float32), digits.target.astype(np.int64)


def trained(seed: int) -> nn.Module:
    """One run of the recipe; the owner is one, and each twin another."""
    torch.manual_seed(seed)
    net = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10)),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(300):
        rows = torch.randint(1000, (64,))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(
            net(torch.from_numpy(x)[rows]), torch.from_numpy(y)[rows]
        )
        loss.backward()
        optimizer.step()
    return net.eval()


if __name__ == "__main__":  # twins are trained by a function of this very file
    torch.jit.save(torch.jit.script(trained(20261)), "run.pt")
    np.savez("run.npz", x=x[1000:], y=y[1000:])

    samples, runs = Path("run.npz"), Path("runs")
    plan = auditkit.TwinPlan(train=f"{__file__}:trained")
    print(auditkit.twins(auditkit.Order("run.pt", samples=samples), runs, plan))
    order = auditkit.Order("run.pt", samples=samples, twins=(runs,), points=40)
    bundle = auditkit.fingerprint(order)
    auditkit.write(bundle, Path("run.fp"))

    # Opening a TorchScript file can run its author's code, so that has to be allowed.
    asking = auditkit.Asking(options=auditkit.Options())
    for suspect in ("run.pt", "runs/twin-000.pt"):
        verdict = auditkit.judge(bundle, auditkit.query(bundle, suspect, asking))
        print(suspect, verdict.decision, "after", verdict.queries, "queries -", verdict.reason.code)
