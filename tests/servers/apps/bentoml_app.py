"""BentoML: ONNX files behind one route each, which answer with a bare array."""

import os
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime as ort


@bentoml.service(workers=1)
class Classifier:
    """One route for each model."""

    def __init__(self) -> None:
        found = Path(os.environ["MODELS"]).glob("*.onnx")
        self._sessions = {
            path.stem: ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            for path in found
        }

    def _scores(self, name: str, x: np.ndarray) -> np.ndarray:
        return self._sessions[name].run(None, {"input": x.astype(np.float32)})[0]

    @bentoml.api
    def owner(self, x: np.ndarray) -> np.ndarray:
        """The owner's scores."""
        return self._scores("owner", x)

    @bentoml.api
    def copy(self, x: np.ndarray) -> np.ndarray:
        """The copy's scores."""
        return self._scores("copy", x)

    @bentoml.api
    def stranger(self, x: np.ndarray) -> np.ndarray:
        """The independent model's scores."""
        return self._scores("stranger", x)
