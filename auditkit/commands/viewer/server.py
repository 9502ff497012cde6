"""The server of `auditkit view`: for one reader on this machine, and for reading alone.

Any program and any web page on this machine can send requests to its port. A page of another origin
could even read the replies, if its name were made to lead here (DNS rebinding). So each address
begins with a secret of this run, and the host must be the one that was printed.
"""

import hmac
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from auditkit.commands.testserver.handler import Http
from auditkit.commands.viewer import pages
from auditkit.commands.viewer.shelf import Shelf
from auditkit.core.errors import AuditkitError, LedgerError
from auditkit.core.escape import first_line
from auditkit.fleet.ledger import Ledger

ADDRESS = "127.0.0.1"
PATIENCE = 10.0
"""Seconds for which a request may say nothing."""
MOST_FIELDS = 20
"""Fields of a query that are read."""
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the rest is in the page itself
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Viewer:
    """`with Viewer(path) as viewer:` serves at `viewer.url` until the block ends."""

    def __init__(self, path: Path, port: int = 0) -> None:
        """Open the ledger for reading and take a port that only this machine can reach.

        Args:
            path: The ledger.
            port: The port; 0 for any free one.

        Raises:
            LedgerError: It is no ledger, or the port can't be taken.
        """
        self.title = path.name
        self.token = secrets.token_urlsafe(24)
        self._ledger = Ledger.open(path, read_only=True)
        self.shelf = Shelf(self._ledger)
        try:
            self._http = _Server((ADDRESS, port), _Handler)
        except OSError as error:
            self._ledger.close()
            raise LedgerError(f"port {port} can't be taken: {first_line(error)}") from error
        self._http.viewer = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """The port."""
        return self._http.server_port

    @property
    def url(self) -> str:
        """The address of the table; whoever has it can read the ledger while this runs."""
        return f"http://{ADDRESS}:{self.port}/{self.token}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._ledger.close()

    def wait(self) -> None:
        """Serve until the calling thread is interrupted."""
        self._thread.join()


class _Server(Http):
    viewer: Viewer


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; each has a connection of its own."""

    server: _Server
    timeout = PATIENCE
    server_version = "auditkit"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a request for a page."""
        viewer = self.server.viewer
        if self.headers.get_all("Host") not in (
            [f"{ADDRESS}:{viewer.port}"],
            [f"localhost:{viewer.port}"],
        ):
            self._send(HTTPStatus.MISDIRECTED_REQUEST, b"")
            return
        parts = urlsplit(self.path)
        _, token, *path = parts.path.split("/")
        # Compared as bytes in constant time: an address may hold any characters.
        if not hmac.compare_digest(token.encode("utf-8", "replace"), viewer.token.encode()):
            self._send(HTTPStatus.NOT_FOUND, b"")
            return
        try:
            asked = dict(parse_qsl(parts.query, max_num_fields=MOST_FIELDS))
            found = _page(viewer, path, asked)
        except ValueError:
            self._send(HTTPStatus.BAD_REQUEST, pages.trouble(viewer.title, "too many fields"))
        except AuditkitError as error:
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, pages.trouble(viewer.title, str(error)))
        else:
            if found is None:
                self._send(
                    HTTPStatus.NOT_FOUND, pages.trouble(viewer.title, "there is no such page")
                )
            else:
                self._send(HTTPStatus.OK, found)

    def do_HEAD(self) -> None:
        """Answer with the headers of a page."""
        self.do_GET()

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_what: object) -> None:
        """Print nothing: addresses hold the secret."""


def _page(viewer: Viewer, path: list[str], asked: dict[str, str]) -> bytes | None:
    """Return the page of a path behind the secret; None if there is none."""
    match path:
        case [""]:
            return pages.table(viewer.shelf, asked, viewer.title)
        case ["map"]:
            return pages.similarity(viewer.shelf, asked, viewer.title)
        case ["pair", key]:
            return pages.report(viewer.shelf, key)
        case _:
            return None
