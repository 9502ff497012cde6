"""HTTP: pages, questions, answers, and faults."""

import json
import socket
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from auditkit.adapters.wire.tensors import DTYPES
from auditkit.testserver.model import WrongError, datatype
from auditkit.testserver.question import Question

if TYPE_CHECKING:
    from auditkit.testserver.server import Server

LENGTH = "Inference-Header-Content-Length"
LARGEST_BODY = 64 << 20
HANGING = 30.0


class Http(ThreadingHTTPServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 128
    served: "Server"

    def handle_error(self, *_what: object) -> None:
        """A client that leaves is no error."""


class Handler(BaseHTTPRequestHandler):
    """One connection's requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Http

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
            entry = {"name": name, "datatype": datatype(rows), "shape": list(rows.shape)}
            if question.binary:
                raw.append(np.ascontiguousarray(rows, DTYPES[datatype(rows)]).tobytes())
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
