"""LitServe: ONNX files behind a JSON API of its own kind."""

import os
from pathlib import Path

import litserve as ls
import numpy as np
import onnxruntime as ort


class Api(ls.LitAPI):
    """Answers {"model": name, "inputs": rows} with probabilities."""

    def setup(self, device: str) -> None:
        """Open all sessions."""
        found = Path(os.environ["MODELS"]).glob("*.onnx")
        self._sessions = {
            path.stem: ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            for path in found
        }

    def decode_request(self, request):
        """The model's name and its batch."""
        return request["model"], np.array(request["inputs"], np.float32)

    def predict(self, asked):
        """Probabilities."""
        name, batch = asked
        scores = self._sessions[name].run(None, {"input": batch})[0]
        grown = np.exp(scores - scores.max(axis=1, keepdims=True))
        return grown / grown.sum(axis=1, keepdims=True)

    def encode_response(self, output):
        """As nested lists."""
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    server = ls.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False)
