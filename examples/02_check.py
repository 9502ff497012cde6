"""Check suspects from Python: a file, and a function of your own. Run 01_fingerprint.py first."""

import numpy as np
from numpy.typing import NDArray

import auditkit


def ask(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stand in for somebody's API client: (n, 1, 8, 8) inputs -> (n, 10) scores."""
    return x.reshape(len(x), -1)[:, :10]


# A name, a path, a function, a torch.nn.Module or an onnxruntime.InferenceSession.
for found in auditkit.check("digits.fp", ["digits.pt", ask, "missing.onnx"], access="label"):
    print(found.suspect, found.decision, "-", found.reason)
