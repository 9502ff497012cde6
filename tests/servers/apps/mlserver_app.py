"""MLServer's custom runtime: an ONNX file behind REST and gRPC."""

import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from mlserver import MLModel, types
from mlserver.codecs import NumpyCodec


class OnnxModel(MLModel):
    """Serves MODELS/NAME.onnx under its name."""

    async def load(self) -> bool:
        """Open the session."""
        path = Path(os.environ["MODELS"]) / f"{self.name}.onnx"
        self._session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: types.InferenceRequest) -> types.InferenceResponse:
        """Scores of the only input."""
        batch = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        scores = self._session.run(None, {"input": batch})[0]
        outputs = [NumpyCodec.encode_output("scores", scores)]
        return types.InferenceResponse(model_name=self.name, outputs=outputs)
