"""An ONNX classifier behind the Open Inference Protocol v2, as calm or as faulty as wanted.

For tests, demonstrations and for trying an audit of an API before a real one is asked.
"""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from auditkit.adapters.wire.tensors import DTYPES
from auditkit.core.errors import SuspectLoadError
from auditkit.core.escape import first_line
from auditkit.testserver.behaviour import Luck, Manners, revealed
from auditkit.testserver.handler import Handler, Http
from auditkit.testserver.model import Model, datatype
from auditkit.testserver.question import Question, read


class Server:
    """`with Server(path, manners) as server:` serves at `server.url` until the block ends."""

    def __init__(
        self,
        path: Path,
        manners: Manners = Manners(),
        *,
        port: int = 0,
        other: Path | None = None,
        log: Path | None = None,
    ) -> None:
        """Load the model and take the port, on this machine alone.

        Raises:
            SuspectLoadError: The model can't be served, or the port is taken.
        """
        self.name = Path(path).stem
        self._models = [Model(path), Model(other or path)]
        self.manners, self._luck = manners, Luck(manners)
        self._lock, self._answered = threading.Lock(), 0
        self._log = None if log is None else Path(log).open("a", encoding="utf-8")  # noqa: SIM115
        try:
            self._http = Http(("127.0.0.1", port), Handler)
        except OSError as error:
            raise SuspectLoadError(f"port {port} can't be taken: {first_line(error)}") from error
        self._http.served = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """What to give to `auditkit check`."""
        return f"http://127.0.0.1:{self._http.server_port}/v2/models/{self.name}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self.close()

    def serve(self) -> None:
        """Serve in this thread until it is interrupted."""
        self._http.serve_forever()

    def close(self) -> None:
        """Let go of the port and the log."""
        self._http.server_close()
        if self._log is not None:
            self._log.close()

    def described(self) -> dict[str, Any]:
        """The model's page."""
        model = self._models[0]
        blank = np.zeros([max(size, 1) for size in model.shape], DTYPES[model.datatype])
        shown = revealed(model.scores(blank), self.manners)
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

    def question(self, header: bytes, raw: bytes) -> Question:
        """A request's parts -> what it asks.

        Raises:
            WrongError: It is malformed, or asks for something else.
        """
        return read(header, raw, self._models[0], self.manners.max_batch)

    def answers(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Named outputs of the model whose turn it is."""
        with self._lock:
            before, self._answered = self._answered, self._answered + len(batch)
        after = self.manners.swap_after
        model = self._models[0 if after is None or before < after else 1]
        return dict(revealed(model.scores(batch), self.manners))

    def fault(self) -> str | None:
        """What goes wrong with the next request."""
        return self._luck.draw()

    def note(self, batch: NDArray[Any], outcome: object) -> None:
        """Put a request and what became of it in the log, before it is answered."""
        if self._log is None:
            return
        rows = [np.ascontiguousarray(row, "<f4").tobytes() for row in batch]
        points = [hashlib.sha256(row).hexdigest() for row in rows]
        with self._lock:
            self._log.write(json.dumps({"points": points, "status": outcome}) + "\n")
            self._log.flush()
