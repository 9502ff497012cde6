"""A local server that runs an ONNX classifier behind the Open Inference Protocol v2.

It can simulate faults and restrict what replies reveal. It serves tests and demonstrations, and
users who want to try an audit before they query a real API.
"""

import hashlib
import json
import threading
from pathlib import Path
from typing import Self

import numpy as np

from auditkit.adapters.wire.tensors import DTYPES
from auditkit.commands.testserver.behaviour import Behaviour, Luck, revealed
from auditkit.commands.testserver.handler import Handler, Http
from auditkit.commands.testserver.inference import InferenceRequest, read_request
from auditkit.commands.testserver.model import Model, datatype
from auditkit.core.access import Access
from auditkit.core.arrays import JsonObject, Rows
from auditkit.core.errors import SuspectLoadError
from auditkit.core.escape import first_line


class Server:
    """`with Server(path, behaviour) as server:` serves at `server.url` until the block ends."""

    def __init__(
        self,
        path: Path,
        behaviour: Behaviour = Behaviour(),
        *,
        port: int = 0,
        other: Path | None = None,
        log: Path | None = None,
    ) -> None:
        """Load the model and bind the port, which only this machine can reach.

        Args:
            path: The ONNX file.
            behaviour: What replies reveal, and which faults are simulated.
            port: Port to listen on; 0 for any free one.
            other: ONNX file that answers after `behaviour.swap_after` points; None for the same.
            log: File to which each inference request is appended, as one line of JSON.

        Raises:
            SuspectLoadError: The model can't be served, or the port can't be bound.
        """
        self.name = Path(path).stem
        self._models = [Model(path), Model(other or path)]
        self.behaviour, self._luck = behaviour, Luck(behaviour)
        self._lock, self._answered = threading.Lock(), 0
        self._log = None if log is None else Path(log).open("a", encoding="utf-8")  # noqa: SIM115
        try:
            self._http = Http(("127.0.0.1", port), Handler)
        except OSError as error:
            raise SuspectLoadError(f"port {port} can't be taken: {first_line(error)}") from error
        self._http.served = self
        # shutdown() takes up to one polling interval, half a second by default: too long for tests.
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The model's address, as `auditkit check` takes it."""
        return f"http://127.0.0.1:{self._http.server_port}/v2/models/{self.name}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self.close()

    def serve(self) -> None:
        """Serve in the calling thread until it is interrupted."""
        self._http.serve_forever()

    def close(self) -> None:
        """Release the port and close the log."""
        self._http.server_close()
        if self._log is not None:
            self._log.close()

    def described(self) -> JsonObject:
        """The protocol's metadata of the model."""
        model = self._models[0]
        # The model runs once, since which outputs are shown depends on behaviour and model.
        blank = np.zeros([max(size, 1) for size in model.shape], DTYPES[model.datatype])
        shown = self._shown(model, blank)
        return {
            "name": self.name,
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [
                {"name": model.input.name, "datatype": model.datatype, "shape": model.shape}
            ],
            "outputs": [
                {"name": name, "datatype": datatype(rows), "shape": [-1, *rows.shape[1:]]}
                for name, rows in shown.items()
            ],
        }

    def request(self, header: bytes, raw: bytes) -> InferenceRequest:
        """Read a request; see `read_request`.

        Raises:
            WrongError: The request is malformed, or does not fit the model.
        """
        return read_request(header, raw, self._models[0], self.behaviour.max_batch)

    def answers(self, batch: Rows) -> dict[str, Rows]:
        """Outputs by name, of the model that answers at this moment."""
        # Points are counted under the lock, so that exactly `swap_after` are answered before.
        with self._lock:
            before, self._answered = self._answered, self._answered + len(batch)
        after = self.behaviour.swap_after
        model = self._models[0 if after is None or before < after else 1]
        return self._shown(model, batch)

    def _shown(self, model: Model, batch: Rows) -> dict[str, Rows]:
        # Whoever hides nothing shows all outputs, as they are.
        if self.behaviour.reveal is Access.LOGITS:
            return model.outputs(batch)
        return revealed(model.scores(batch), self.behaviour)

    def fault(self) -> str | None:
        """The fault of the next request; None if it is answered."""
        return self._luck.draw()

    def record(self, batch: Rows, outcome: int | str) -> None:
        """Append a request to the log: its points' digests, and status or fault."""
        # Before it is answered: a client that is killed has then sent nothing that is not listed.
        if self._log is None:
            return
        rows = [np.ascontiguousarray(row, "<f4").tobytes() for row in batch]
        points = [hashlib.sha256(row).hexdigest() for row in rows]
        with self._lock:
            self._log.write(json.dumps({"points": points, "status": outcome}) + "\n")
            self._log.flush()
