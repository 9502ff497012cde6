"""A real HTTP server on this machine whose answers a test chooses."""

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self

from auditkit.adapters.wire.web import Reply, Web
from auditkit.core.requests import Reach


class Asked(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Told(NamedTuple):
    """One reply; the status None drops the connection."""

    body: bytes = b""
    status: int | None = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


def told(value: object, status: int = 200, **headers: str) -> Told:
    """A JSON reply."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Told(json.dumps(value).encode(), status, {"content-type": "application/json", **named})


class Api:
    """`with Api(reply) as api:` answers at `api.url` until the block ends."""

    def __init__(
        self, reply: Callable[[Asked], Told], certificate: ssl.SSLContext | None = None
    ) -> None:
        self.asked: list[Asked] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Otherwise each reply waits 40 ms for the receipt of its head.
            disable_nagle_algorithm = True

            def _any(self) -> None:
                size = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(size))
                owner.asked.append(asked)
                found = reply(asked)
                if found.status is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(found.status)
                for name, value in found.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(found.body)))
                self.end_headers()
                self.wfile.write(found.body)

            do_GET = do_POST = _any  # noqa: N815 - the library's names

            def log_message(self, *_words: object) -> None:
                """Say nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_what: object) -> None:
                """A client that leaves is no error."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if certificate is not None:
            self._server.socket = certificate.wrap_socket(self._server.socket, server_side=True)
            self.url = f"https://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def asked(api: Api, path: str = "/x", reach: Reach = Reach()) -> Reply:
    """The reply to a GET of this API."""
    web = Web(api.url, reach)
    try:
        return web.get(api.url + path)
    finally:
        web.close()
