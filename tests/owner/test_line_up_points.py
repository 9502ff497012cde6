"""Points that an owner climbs to with its twins."""

import numpy as np
import torch
from torch import nn

from auditkit.core.requests import InputFacts
from auditkit.owner.classifier import place
from auditkit.owner.lineup import joint_points
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import Samples, read_samples

FEATURES = 30


def members(folder, count: int):
    """Linear owners of table rows, whose bounds are numbers that floats only come near."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, FEATURES)).astype(np.float32)
    np.savez(folder / "rows.npz", x=rows, y=rng.integers(2, size=60))
    samples: Samples = read_samples(folder / "rows.npz")
    nets = []
    for seed in range(count):
        torch.manual_seed(seed)
        model = LoadedModel(f"net{seed}", f"sha256:{seed:02}", nn.Linear(FEATURES, 2))
        owner, found = place(model, InputFacts(), samples, torch.device("cpu"))
        nets.append(owner)
    return nets, found


def test_points_of_table_rows_stay_within_the_bounds(tmp_path):
    """A climb that ends at a feature's least or greatest value ends there to the last digit."""
    nets, samples = members(tmp_path, 3)
    points = joint_points(nets, torch.from_numpy(samples.x), 0, lambda *_: None).numpy()
    lower, upper = nets[0].spec.bounds()
    assert ((points == lower) | (points == upper)).any()
    assert ((points >= lower) & (points <= upper)).all()
