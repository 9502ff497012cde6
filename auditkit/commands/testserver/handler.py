"""HTTP side of the test server: pages about the model, inference, and faults."""

import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np

from auditkit.adapters.wire.tensors import DTYPES
from auditkit.commands.testserver.inference import InferenceRequest
from auditkit.commands.testserver.model import WrongError, datatype
from auditkit.core.arrays import JsonObject, Rows

if TYPE_CHECKING:
    from auditkit.commands.testserver.server import Server

LENGTH = "Inference-Header-Content-Length"
"""Header with the length of the JSON that precedes the raw tensors in a body."""
LARGEST_BODY = 64 << 20
"""Bytes of the largest request that is read."""
PATIENCE = 60.0
"""Seconds within which a whole request must come, and each part of a reply be taken."""
MOST_CONNECTIONS = 100
"""Connections that are held at once; `auditkit check` opens 8."""
CROWDED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
# As long as the default of --timeout, so that a client without a limit of its own is noticed.
HANGING = 30.0
"""Seconds for which a request with the fault `hang` gets no answer."""


@dataclass(frozen=True, slots=True)
class _Body:
    """The body of a request."""

    header: bytes
    """The JSON."""
    raw: bytes
    """Tensors as raw bytes, behind the JSON."""


class Http(ThreadingHTTPServer):
    """An HTTP server with a thread for each of at most `MOST_CONNECTIONS` connections."""

    daemon_threads = True  # hanging requests must not keep the process alive
    request_queue_size = 128  # the default of 5 refuses clients of more connections
    served: "Server"

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection in a thread of its own, or turn it away if there are too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        with contextlib.suppress(OSError):
            request.settimeout(0)  # nobody waits for a client that is turned away
            request.send(CROWDED)
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer the requests of one connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, *_what: object) -> None:
        """Print nothing: clients that disconnect are expected here."""


class _Timed(io.RawIOBase):
    """What a client sends, as long as all of a request comes within `PATIENCE`.

    A limit for each packet would not do: a client may send one byte at a time for ever.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.begin()

    def begin(self) -> None:
        """Wait for another request."""
        self._until = time.monotonic() + PATIENCE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left)
        try:
            return self._connection.recv_into(buffer)
        finally:
            self._connection.settimeout(PATIENCE)  # for the reply, which a client may not read


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"  # 1.0 would open a connection for each request
    # Nagle's algorithm holds small packets back until the client acknowledges earlier ones, which
    # it delays by 40 ms.
    disable_nagle_algorithm = True
    server: Http

    def setup(self) -> None:
        """Read from the client within limits."""
        super().setup()
        self.rfile.close()
        self._timed = _Timed(self.connection)
        self.rfile = io.BufferedReader(self._timed)

    def handle_one_request(self) -> None:
        """Answer one request; a client that takes too long is let go of."""
        self._timed.begin()
        super().handle_one_request()

    def do_GET(self) -> None:
        """Answer pages about the server and its model."""
        served = self.server.served
        path = self.path.partition("?")[0].rstrip("/")
        root = f"/v2/models/{served.name}"
        pages: dict[str, JsonObject] = {
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
        """Answer an inference request, or simulate a fault."""
        served = self.server.served
        try:
            # The body is read even of clients that are turned away. On a connection that is kept,
            # what is left of it would be taken for the next request.
            body = self._body()
            self._admit()
            root = f"/v2/models/{served.name}"
            if self.path not in (f"{root}/infer", f"{root}/versions/1/infer"):
                raise WrongError(404, f"no page {self.path[:80]!r}; the model is {served.name!r}")
            request = served.request(body.header, body.raw)
            fault = served.fault()
            time.sleep(served.behaviour.delay)
            if fault is not None:
                served.record(request.batch, fault)
                self._fail(fault)
                return
            outputs = served.answers(request.batch)
            served.record(request.batch, 200)
            self._answer(request, outputs)
        except WrongError as error:
            self._send(error.status, {"error": str(error)}, error.headers)

    def _body(self) -> _Body:
        size, header = self.headers.get("Content-Length", ""), self.headers.get(LENGTH)
        if not size.isdecimal() or len(size) > 12 or int(size) > LARGEST_BODY:
            self.close_connection = True
            raise WrongError(413, f"wanted a body of at most {LARGEST_BODY} bytes")
        body = self.rfile.read(int(size))
        if header is None:
            return _Body(body, b"")
        if not header.isdecimal() or len(header) > 12:
            raise WrongError(400, f"wanted a number as {LENGTH}")
        return _Body(body[: int(header)], body[int(header) :])

    def _admit(self) -> None:
        """Raise WrongError if the request lacks the token, or comes from a page in a browser.

        Such a page says where it is from, or reached this server by a name that it made up.
        """
        port = self.server.server_port
        named = self.headers.get("Host", f"localhost:{port}")
        if "Origin" in self.headers or named not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            raise WrongError(403, "only programs of this machine are answered, and no pages")
        token = self.server.served.behaviour.token
        if token is not None and self.headers.get("Authorization") != f"Bearer {token}":
            raise WrongError(401, "wanted a token")

    def _fail(self, fault: str) -> None:
        """Simulate a fault."""
        if fault == "errors":
            raise WrongError(503, "out of order for the moment")
        if fault == "busy":
            raise WrongError(429, "too many requests", **{"Retry-After": "0"})
        self.close_connection = True
        if fault == "hang":
            # Waiting for the client, and not sleeping, ends as soon as it gives up.
            self.connection.settimeout(HANGING)
            try:
                self.connection.recv(1)
            except OSError:
                return
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, request: InferenceRequest, outputs: Mapping[str, Rows]) -> None:
        listed, raw = [], []
        for name, rows in outputs.items():
            entry = {"name": name, "datatype": datatype(rows), "shape": list(rows.shape)}
            if request.binary:
                raw.append(np.ascontiguousarray(rows, DTYPES[datatype(rows)]).tobytes())
                listed.append({**entry, "parameters": {"binary_data_size": len(raw[-1])}})
            else:
                values = rows.astype(np.float64) if rows.dtype.kind == "f" else rows
                listed.append({**entry, "data": values.ravel().tolist()})
        served = self.server.served.name
        found = {"model_name": served, "model_version": "1", "outputs": listed}
        if request.number is not None:
            found["id"] = request.number
        self._send(200, found, None, b"".join(raw) if request.binary else None)

    def _send(
        self,
        status: int,
        value: JsonObject,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> None:
        """Send a reply: JSON, followed by raw tensors if `raw` is given."""
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
        # In one write: head and body apart are two packets, and the second may wait for the first.
        self.wfile.write(head.encode() + body + (raw or b""))

    def log_message(self, *_words: object) -> None:
        """Print nothing: `--log` keeps the requests."""
