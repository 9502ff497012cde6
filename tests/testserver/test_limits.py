"""No client can hold the test server for ever, nor all of it."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import pytest

from auditkit.commands.testserver import handler
from auditkit.commands.testserver.server import Server
from tests.conftest import linear_onnx


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The linear owner as a file."""
    return linear_onnx(tmp_path_factory.mktemp("served") / "model.onnx")


def opened_at(url: str) -> socket.socket:
    """A connection to a server, on which nothing was asked yet."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def test_a_request_that_does_not_end_is_let_go_of(path, monkeypatch):
    """A client that sends a byte now and then can't hold a thread for ever."""
    monkeypatch.setattr(handler, "PATIENCE", 0.5)
    with Server(path) as server, opened_at(server.url) as line:
        line.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(100):
                line.sendall(b"x")
                time.sleep(0.05)
        line.settimeout(10)
        with contextlib.suppress(ConnectionError):
            assert line.recv(100) == b""


def test_more_connections_than_there_is_room_for_are_turned_away(path, monkeypatch):
    """Those that are open are answered, and a place that gets free is given again."""
    monkeypatch.setattr(handler, "MOST_CONNECTIONS", 2)
    ask = b"GET /v2/health/live HTTP/1.1\r\n\r\n"
    with Server(path) as server, contextlib.ExitStack() as stack:
        lines = [stack.enter_context(opened_at(server.url)) for _ in range(2)]
        for line in lines:
            line.sendall(ask)
            assert line.recv(100).startswith(b"HTTP/1.1 200")
        with opened_at(server.url) as third:
            assert third.recv(100).startswith(b"HTTP/1.1 503")
        lines[0].close()
        for _ in range(100):
            with opened_at(server.url) as again:
                again.sendall(ask)
                with contextlib.suppress(ConnectionError):
                    if again.recv(100).startswith(b"HTTP/1.1 200"):
                        return
            time.sleep(0.05)
        raise AssertionError("no place got free")
