"""One careful HTTP client: pinned to the machine that was checked, capped in size and in time."""

import json
import logging
import math
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from auditkit.adapters.wire.addresses import Address, resolved
from auditkit.adapters.wire.secrets import Secrets
from auditkit.core.errors import BatchError, QueryError, SuspectLoadError, TransientError
from auditkit.core.requests import Reach

REDIRECTS = 3
REPEATABLE = (307, 308)
BUSY = (408, 425, 429)
TOO_MUCH = (400, 413, 422)
DENIED = (401, 403, 407)
WATCH = 0.1
"""Seconds between looks at what takes too long."""
SHOWN = 160
"""Characters of a foreign reply that an error line repeats."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply of status 200 to 299."""

    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's JSON value.

        Raises:
            QueryError: It is none, or nested too deep.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "unknown type").partition(";")[0]
            raise QueryError(f"wanted JSON, got {kind[:40]}: {_shown(self.body)}") from error


class Web:
    """Asks one origin; each thread has a connection of its own."""

    def __init__(self, url: str, reach: Reach) -> None:
        self.secrets = Secrets()
        self._reach = reach
        secret = self.secrets.headers(reach.headers)
        self._address: Address = resolved(url, reach)
        own = {"accept-encoding": "identity", "host": self._address.authority}
        self._headers = {**secret, **own}
        self._trusted = _trusted(reach)
        self._mine = threading.local()
        self._clients: list[httpx.Client] = []
        self._lines: list[_Line] = []
        self._closed = threading.Event()
        for name in ("httpx", "httpcore"):  # they would log addresses with their secrets
            logging.getLogger(name).setLevel(logging.WARNING)

    def get(self, url: str) -> Reply:
        """The reply to GET; see `post` for errors."""
        return self._asked("GET", url, b"", {})

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The reply to POST.

        Raises:
            TransientError: Busy, failing, slow or out of reach for now.
            BatchError: The question is refused as it is, perhaps for its size.
            QueryError: Anything else but success.
        """
        return self._asked("POST", url, body, headers)

    def close(self) -> None:
        """Close all connections; a second call does nothing."""
        self._closed.set()
        while self._clients:
            self._clients.pop().close()

    def _watch(self) -> None:
        """In a thread of its own: cut every line whose time is over."""
        while not self._closed.wait(WATCH):
            for line in list(self._lines):
                if time.monotonic() > line.deadline:
                    line.cut()

    def _asked(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        deadline = time.monotonic() + self._reach.timeout
        url = self.secrets.fill_address(url)
        for _ in range(REDIRECTS + 1):
            status, found, content = self._sent(method, url, body, headers, deadline)
            if not 300 <= status < 400:
                break
            url = self._redirected(method, url, status, found.get("location", ""))
        else:
            raise QueryError(f"more than {REDIRECTS} redirects")
        if not 200 <= status < 300:
            raise self._refusal(status, found, content)
        return Reply(found, content)

    def _sent(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], deadline: float
    ) -> tuple[int, dict[str, str], bytes]:
        client = self._client()
        self._mine.line.deadline = deadline
        try:
            request = client.build_request(
                method,
                self._pinned(url),
                content=body,
                headers={**self._headers, **headers},
                extensions={"sni_hostname": self._address.host, "trace": self._mine.line.trace},
            )
            response = client.send(request, stream=True)
            try:
                content = self._read(response)
            finally:
                response.close()
        except httpx.InvalidURL as error:
            raise QueryError("the address has an unreadable path") from error
        except (httpx.TransportError, OSError) as error:
            raise self._out_of_reach(error, deadline) from error
        finally:
            self._mine.line.deadline = math.inf
        return response.status_code, dict(response.headers), content

    def _out_of_reach(self, error: Exception, deadline: float) -> QueryError:
        if isinstance(error, httpx.TimeoutException) or time.monotonic() >= deadline - 0.05:
            return TransientError(f"no whole reply within {self._reach.timeout:g} s")
        if _is_certificate(error):
            return QueryError(f"its certificate is not trusted: {self._line(str(error))}")
        return TransientError(f"can't be reached: {self._line(str(error) or type(error).__name__)}")

    def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise QueryError("the reply is compressed though that was not asked for")
        limit, parts, size = self._reach.largest_reply, [], 0
        for part in response.iter_raw(1 << 16):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise QueryError(f"the reply is longer than {limit} bytes")
        return self.secrets.scrub(b"".join(parts))

    def _client(self) -> httpx.Client:
        if not hasattr(self._mine, "client"):
            self._mine.line = _Line()
            if not self._lines:
                threading.Thread(target=self._watch, daemon=True).start()
            self._lines.append(self._mine.line)
            self._mine.client = httpx.Client(
                verify=self._trusted,
                trust_env=False,
                follow_redirects=False,
                proxy=self._reach.proxy,
                timeout=self._reach.timeout,
                limits=httpx.Limits(max_connections=1, keepalive_expiry=60),
            )
            self._clients.append(self._mine.client)
        client: httpx.Client = self._mine.client
        return client

    def _pinned(self, url: str) -> str:
        parts = urlsplit(url)
        return parts._replace(netloc=self._address.pinned, fragment="").geturl()

    def _redirected(self, method: str, url: str, status: int, location: str) -> str:
        target = urljoin(url, location)
        try:
            same = _origin(target) == _origin(url)
        except ValueError:
            same = False
        if not same:
            raise QueryError(f"redirects to {self._line(location)!r}; another host is not followed")
        if method != "GET" and status not in REPEATABLE:
            raise QueryError(f"redirects a question with status {status}; ask there directly")
        return target

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> QueryError:
        line = f"answers with status {status}: {self.secrets.hide(_shown(body))}"
        if status in DENIED:
            return QueryError(
                f"{line}; give a token: --header 'Authorization: Bearer ${{NAME}}', with NAME set "
                "in the environment"
            )
        if status in BUSY or status >= 500:
            return TransientError(line, _seconds(headers.get("retry-after")))
        return BatchError(line) if status in TOO_MUCH else QueryError(line)

    def _line(self, text: str) -> str:
        return self.secrets.hide(" ".join(text.split()))[:SHOWN]


class _Line:
    """A thread's connection, which another thread can cut: timeouts count single reads only."""

    def __init__(self) -> None:
        self._stream: Any = None
        self.deadline = math.inf
        """When it is cut, by the monotonic clock."""

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Told by the client at each step; a new connection is remembered."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]

    def cut(self) -> None:
        """End whatever is being read or written."""
        connection = self._stream and self._stream.get_extra_info("socket")
        if connection is not None:
            try:
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            except OSError:
                return  # it has ended by itself


def _trusted(reach: Reach) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(
            cafile=None if reach.authorities is None else str(reach.authorities)
        )
    except OSError as error:
        raise SuspectLoadError(
            f"{str(reach.authorities)!r} holds no certificates; wanted a PEM file"
        ) from error


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or usual


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _seconds(text: str | None) -> float | None:
    """Retry-After: seconds or a date; None where it says nothing readable."""
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _shown(body: bytes) -> str:
    text = " ".join(body[: 4 * SHOWN].decode("utf-8", "replace").split())
    return text[:SHOWN] or "nothing"
