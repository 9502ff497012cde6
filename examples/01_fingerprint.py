"""Fingerprint a classifier of scikit-learn's digits from Python; runs in about half a minute.

Writes `digits.pt`, `digits.npz` and `digits.fp` into the current folder.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import auditkit

data = load_digits()
x = (data.images[:, None] / 16).astype(np.float32)
y = data.target.astype(np.int64)

torch.manual_seed(0)
net = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.BatchNorm2d(16),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(32, 10),
)
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for step in range(200):
    rows = torch.arange(64 * step, 64 * step + 64) % 1200
    optimizer.zero_grad()
    nn.functional.cross_entropy(
        net(torch.from_numpy(x)[rows]), torch.from_numpy(y)[rows]
    ).backward()
    optimizer.step()

torch.jit.save(torch.jit.script(net.eval()), "digits.pt")
np.savez("digits.npz", x=x[1200:], y=y[1200:])

# A module, or the file that it was saved to; samples as arrays, as here, or as a path.
bundle = auditkit.fingerprint(net, samples=(x[1200:], y[1200:]))
bundle.save("digits.fp")
print(bundle.fingerprint.discrimination, "-", bundle.fingerprint.reason)
