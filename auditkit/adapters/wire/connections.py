"""Connections of the HTTP client: one for each thread, each cut when its deadline has passed."""

import logging
import math
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any

import httpx

from auditkit.core.errors import SuspectLoadError
from auditkit.core.escape import clean
from auditkit.core.requests import Reach

WATCH = 0.1
"""Seconds between two checks for connections that are past their deadline."""


class Connection:
    """One thread's HTTP client, whose connection another thread can cut."""

    # httpx's timeouts limit each read. A server that sends a byte now and then meets them for ever.

    def __init__(self, reach: Reach, trusted: ssl.SSLContext) -> None:
        self.deadline = math.inf
        """Time by the monotonic clock at which the connection is cut."""
        self.client = httpx.Client(
            verify=trusted,
            trust_env=False,
            follow_redirects=False,  # httpx would follow them to other hosts, unchecked
            proxy=None if reach.proxy is None else _proxy(reach.proxy),
            timeout=reach.timeout,
            # One connection, so that the deadline belongs to it. httpx does not tell which
            # connection of a pool serves a request.
            limits=httpx.Limits(max_connections=1, keepalive_expiry=60),
        )
        self._stream: Any = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember the socket of a new connection; httpx calls this at each step of a request."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]

    def cut(self) -> None:
        """Make the read or write that is under way in another thread fail."""
        connection = self._stream and self._stream.get_extra_info("socket")
        if connection is not None:
            # close() would not wake a thread that waits for this socket. The base class's method
            # is called, because that of a TLS socket first forgets the session that is in use.
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                return  # the other side has closed it already


def _proxy(address: str) -> httpx.Proxy:
    """Return a proxy.

    Raises:
        SuspectLoadError: It is no address that httpx can use.
    """
    try:
        return httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL) as error:
        raise SuspectLoadError(
            f"--proxy wants an address such as http://proxy:3128, got {clean(address, 60)!r}"
        ) from error


class Connections:
    """Connections of all threads that send requests to one server."""

    def __init__(self, reach: Reach) -> None:
        """Prepare to connect; nothing is sent yet.

        Raises:
            SuspectLoadError: `reach.authorities` is no file of certificates.
        """
        self._reach = reach
        # Made once for all threads, because reading the system's certificates takes long.
        self._trusted = _trusted(reach)
        self._local = threading.local()
        self._all: list[Connection] = []
        self._closed = threading.Event()
        for name in ("httpx", "httpcore"):  # they log addresses, which may hold secrets
            logging.getLogger(name).setLevel(logging.WARNING)

    def mine(self) -> Connection:
        """The connection of the calling thread, made at the first call."""
        if not hasattr(self._local, "connection"):
            self._local.connection = Connection(self._reach, self._trusted)
            if not self._all:
                threading.Thread(target=self._watch, daemon=True).start()
            self._all.append(self._local.connection)
        connection: Connection = self._local.connection
        return connection

    def close(self) -> None:
        """Close all connections; a second call does nothing."""
        self._closed.set()
        while self._all:
            self._all.pop().client.close()

    def _watch(self) -> None:
        """Cut connections that are past their deadline, until all are closed."""
        # One thread for all connections: a timer for each request would start a thread for each.
        while not self._closed.wait(WATCH):
            for connection in list(self._all):
                if time.monotonic() > connection.deadline:
                    connection.cut()


def is_certificate(error: BaseException | None) -> bool:
    """Whether a connection failed because the server's certificate is not trusted."""
    # httpx and httpcore each wrap the error of the ssl module in one of their own.
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _trusted(reach: Reach) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(
            cafile=None if reach.authorities is None else str(reach.authorities)
        )
    except OSError as error:
        raise SuspectLoadError(
            f"{str(reach.authorities)!r} holds no certificates; wanted a PEM file"
        ) from error
