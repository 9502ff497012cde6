"""What only a CUDA device can show; skipped with its reason elsewhere."""

import numpy as np
import pytest
import torch

from auditkit import pipeline
from auditkit.adapters.base import Options
from auditkit.asking import Asking
from auditkit.order import Order
from auditkit.types import CORE
from tests.owner.conftest import save_script

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]


def test_cuda_and_cpu_give_the_same_answers(tmp_path, net, samples_file):
    """A suspect on the GPU answers within 1e-3 of the same one on the CPU."""
    model = save_script(net, tmp_path / "model.pt")
    made = pipeline.fingerprint(Order(model, samples=samples_file, points=20, device="cuda"))
    first, second = (
        pipeline.query(made, model, Asking(options=Options(device))) for device in ("cuda", "cpu")
    )
    scores = [found.answers[CORE].scores for found in (first, second)]
    np.testing.assert_allclose(*scores, atol=1e-3)
