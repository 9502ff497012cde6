"""An ONNX classifier behind the Open Inference Protocol v2, as calm or as faulty as wanted.

For tests, demonstrations and for trying an audit of an API before a real one is asked.
"""

import hashlib
import json
import socket
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from auditkit.adapters.base import one_line, read_file
from auditkit.errors import QueryError, SuspectLoadError
from auditkit.manners import Luck, Manners, revealed
from auditkit.remote.tensors import DTYPES, tensor

LENGTH = "Inference-Header-Content-Length"
LARGEST_BODY = 64 << 20
HANGING = 30.0
TYPES = {"tensor(float)": "FP32", "tensor(float16)": "FP16", "tensor(double)": "FP64",
         "tensor(uint8)": "UINT8"}  # fmt: skip


class WrongError(Exception):
    """A request that gets an error instead of answers."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


class Question(NamedTuple):
    """What an inference request asks."""

    number: str | None
    batch: NDArray[Any]
    binary: bool
    """Whether the outputs are wanted raw."""


class Model:
    """One ONNX file, able to answer several threads."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        try:
            self._session = ort.InferenceSession(
                read_file(str(path)), options, providers=["CPUExecutionProvider"]
            )
        except SuspectLoadError:
            raise
        except Exception as error:  # onnxruntime raises many kinds
            raise SuspectLoadError(f"{str(path)!r}: {one_line(error)}") from error
        self.input, *others = self._session.get_inputs()
        if others or self.input.type not in TYPES:
            raise SuspectLoadError(f"{str(path)!r} takes other inputs than one tensor of numbers")
        self.datatype = TYPES[self.input.type]
        sizes = [size if isinstance(size, int) else -1 for size in self.input.shape]
        self.shape = sizes

    def scores(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """One row for each point.

        Raises:
            WrongError: The model does not take this batch.
        """
        try:
            [first, *_] = self._session.run(None, {self.input.name: batch})
        except Exception as error:  # onnxruntime raises many kinds
            raise WrongError(400, one_line(error)) from error
        rows: NDArray[np.float32] = np.asarray(first, np.float32)
        return rows.reshape(len(batch), -1)


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
            self._http = _Http(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise SuspectLoadError(f"port {port} can't be taken: {one_line(error)}") from error
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
                {"name": name, "datatype": _datatype(rows), "shape": [-1, *rows.shape[1:]]}
                for name, rows in shown.items()
            ],
        }

    def question(self, header: bytes, raw: bytes) -> Question:
        """A request's parts -> what it asks.

        Raises:
            WrongError: It is malformed, or asks for something else.
        """
        model = self._models[0]
        try:
            found = json.loads(header)
            [entry] = found["inputs"]
            size = (entry.get("parameters") or {}).get("binary_data_size")
            values = entry["data"] if size is None else raw[: int(size)]
            name, datatype, shape = entry["name"], entry["datatype"], entry["shape"]
            wanted = found.get("parameters") or {}
            binary = bool(wanted.get("binary_data_output")) or any(
                (output.get("parameters") or {}).get("binary_data")
                for output in found.get("outputs") or []
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise WrongError(400, "failed to parse the request") from error
        if (name, datatype) != (model.input.name, model.datatype):
            raise WrongError(400, f"wanted input {model.input.name!r} of {model.datatype}")
        try:
            batch = tensor(datatype, shape, values)
        except QueryError as error:
            raise WrongError(400, str(error)) from error
        if batch.ndim != len(model.shape) or not len(batch):
            raise WrongError(400, f"wanted shape {model.shape}, got {list(batch.shape)}")
        if self.manners.max_batch is not None and len(batch) > self.manners.max_batch:
            raise WrongError(
                400, f"batch of {len(batch)}; at most {self.manners.max_batch} are taken"
            )
        number = found.get("id")
        return Question(number if isinstance(number, str) else None, batch, binary)

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


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    served: Server

    def handle_error(self, *_what: object) -> None:
        """A client that leaves is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        """Pages about the server and its model."""
        served = self.server.served
        path = self.path.partition("?")[0].rstrip("/")
        root = f"/v2/models/{served.name}"
        pages: dict[str, dict[str, Any]] = {
            "/v2": {"name": "auditkit", "version": "2", "extensions": ["binary_tensor_data"]},
            "/v2/health/live": {"live": True},
            "/v2/health/ready": {"ready": True},
        }
        try:
            self._admit()
            if path in pages:
                self._send(200, pages[path])
            elif path in (root, f"{root}/versions/1"):
                self._send(200, served.described())
            elif path in (f"{root}/ready", f"{root}/versions/1/ready"):
                self._send(200, {"name": served.name, "ready": True})
            else:
                raise WrongError(404, f"no page {path[:80]!r}; the model is {served.name!r}")
        except WrongError as error:
            self._send(error.status, {"error": str(error)})

    def do_POST(self) -> None:
        """Inference."""
        served = self.server.served
        try:
            header, raw = self._body()
            self._admit()
            root = f"/v2/models/{served.name}"
            if self.path not in (f"{root}/infer", f"{root}/versions/1/infer"):
                raise WrongError(404, f"no page {self.path[:80]!r}; the model is {served.name!r}")
            question = served.question(header, raw)
            fault = served.fault()
            time.sleep(served.manners.delay)
            if fault is not None:
                served.note(question.batch, fault)
                self._fail(fault)
                return
            outputs = served.answers(question.batch)
            served.note(question.batch, 200)
            self._answer(question, outputs)
        except WrongError as error:
            self._send(error.status, {"error": str(error)}, error.headers)

    def _body(self) -> tuple[bytes, bytes]:
        """The JSON part and what follows it."""
        size, header = self.headers.get("Content-Length", ""), self.headers.get(LENGTH)
        if not size.isdecimal() or len(size) > 12 or int(size) > LARGEST_BODY:
            self.close_connection = True
            raise WrongError(413, f"wanted a body of at most {LARGEST_BODY} bytes")
        body = self.rfile.read(int(size))
        if header is None:
            return body, b""
        if not header.isdecimal() or len(header) > 12:
            raise WrongError(400, f"wanted a number as {LENGTH}")
        return body[: int(header)], body[int(header) :]

    def _admit(self) -> None:
        token = self.server.served.manners.token
        if token is not None and self.headers.get("Authorization") != f"Bearer {token}":
            raise WrongError(401, "wanted a token")

    def _fail(self, fault: str) -> None:
        if fault == "errors":
            raise WrongError(503, "out of order for the moment")
        if fault == "busy":
            raise WrongError(429, "too many requests", **{"Retry-After": "0"})
        self.close_connection = True
        if fault == "hang":
            self.connection.settimeout(HANGING)
            try:
                self.connection.recv(1)
            except OSError:
                return
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, question: Question, outputs: Mapping[str, NDArray[Any]]) -> None:
        listed, raw = [], []
        for name, rows in outputs.items():
            entry = {"name": name, "datatype": _datatype(rows), "shape": list(rows.shape)}
            if question.binary:
                raw.append(np.ascontiguousarray(rows, DTYPES[_datatype(rows)]).tobytes())
                listed.append({**entry, "parameters": {"binary_data_size": len(raw[-1])}})
            else:
                values = rows.astype(np.float64) if rows.dtype.kind == "f" else rows
                listed.append({**entry, "data": values.ravel().tolist()})
        served = self.server.served.name
        found = {"model_name": served, "model_version": "1", "outputs": listed}
        if question.number is not None:
            found["id"] = question.number
        self._send(200, found, None, b"".join(raw) if question.binary else None)

    def _send(
        self,
        status: int,
        value: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> None:
        body = json.dumps(value).encode()
        kind = "application/json" if raw is None else "application/octet-stream"
        named = {
            **(headers or {}),
            **({} if raw is None else {LENGTH: str(len(body))}),
            "Content-Type": kind,
            "Content-Length": str(len(body) + len(raw or b"")),
        }
        lines = "".join(f"{name}: {text}\r\n" for name, text in named.items())
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n"
        self.wfile.write(head.encode() + body + (raw or b""))  # at once: small packets wait

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def _datatype(rows: NDArray[Any]) -> str:
    return "FP32" if rows.dtype.kind == "f" else "INT64"
