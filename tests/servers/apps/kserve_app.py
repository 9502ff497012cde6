"""KServe: ONNX files behind both of its REST protocols and gRPC."""

import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class OnnxModel(Model):
    """Serves MODELS/NAME.onnx under its name."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.stem)
        self._session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):
        """Rows in, rows out; or one tensor in, one out."""
        if isinstance(payload, InferRequest):
            scores = self._scores(payload.inputs[0].as_numpy())
            output = InferOutput("scores", list(scores.shape), "FP32")
            output.set_data_from_numpy(scores, binary_data=False)
            return InferResponse(payload.id, self.name, [output])
        return {"predictions": self._scores(np.array(payload["instances"])).tolist()}

    def _scores(self, batch: np.ndarray) -> np.ndarray:
        return self._session.run(None, {"input": batch.astype(np.float32)})[0]


if __name__ == "__main__":
    models = [OnnxModel(path) for path in sorted(Path(os.environ["MODELS"]).glob("*.onnx"))]
    ports = {"http_port": int(os.environ["PORT"]), "grpc_port": int(os.environ["GRPC_PORT"])}
    ModelServer(**ports, workers=1).start(models)
