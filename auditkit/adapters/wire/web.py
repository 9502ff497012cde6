"""HTTP client for suspects: fixed to a checked IP, with limits on a reply's size and duration."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import httpx

from auditkit.adapters.wire.addresses import PORTS, Address, resolved, shown
from auditkit.adapters.wire.connections import Connections, is_certificate
from auditkit.adapters.wire.secrets import Secrets
from auditkit.core.arrays import Json
from auditkit.core.errors import (
    BatchError,
    QueryError,
    ReplyError,
    TransientError,
    UnreachableError,
)
from auditkit.core.requests import Exchange, Reach

REDIRECTS = 3
"""Redirects that one request may be sent on."""
# The other redirects turn a POST into a GET without its body.
REPEATABLE = (307, 308)
"""Status codes of redirects that keep method and body."""
BUSY = (408, 425, 429)
"""Status codes, beside 5xx, after which the same request may succeed later."""
# 413 means too large. Servers that check their input answer 400 (Triton, for a batch above the
# model's limit) or 422 (those built with FastAPI).
TOO_MUCH = (400, 413, 422)
"""Status codes after which a smaller batch may succeed."""
DENIED = (401, 403, 407)
"""Status codes that ask for a token."""
SHOWN = 160
"""Characters of a reply that an error message repeats."""


@dataclass(frozen=True, slots=True)
class _Response:
    """A whole reply of any status."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Origin:
    """What two addresses must share to be one server (RFC 6454)."""

    scheme: str
    host: str | None
    port: int | None


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful reply, status 200 to 299, with all secrets replaced."""

    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        """Decode the body.

        Raises:
            ReplyError: The body is not JSON, or nested too deeply for Python's decoder.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "unknown type").partition(";")[0]
            raise ReplyError(f"wanted JSON, got {kind[:40]}: {_shown(self.body)}") from error


class Web:
    """Sends requests to one server. Each thread has its own connection.

    No proxy, netrc file or certificate is taken from the environment: an audit should reach the
    same server wherever it runs, and credentials must not be sent unasked.
    """

    def __init__(self, url: str, reach: Reach) -> None:
        """Check and resolve the address; nothing is sent yet.

        Raises:
            SuspectLoadError: `reach` does not allow the address, or a header's secret is missing.
            TransientError: The name can't be resolved now.
        """
        self.secrets = Secrets()
        self._reach = reach
        secret = self.secrets.headers(reach.headers)
        self._address: Address = resolved(url, reach)
        # Uncompressed, since a few kilobytes can unpack to gigabytes. The host by name, because
        # requests go to the IP.
        own = {"accept-encoding": "identity", "host": self._address.authority}
        self._headers = {**secret, **own}
        self._connections = Connections(reach)

    def get(self, url: str) -> Reply:
        """Send a GET request; see `post` for errors."""
        return self._reply("GET", url, b"", {})

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a POST request.

        Raises:
            TransientError: The server is busy, failing, too slow or unreachable; a later try of the
                same request may succeed.
            BatchError: The server refuses the request as it is; a smaller batch may pass.
            QueryError: Any other failure, such as a redirect elsewhere or a reply that is too long.
        """
        return self._reply("POST", url, body, headers)

    def close(self) -> None:
        """Close all connections; a second call does nothing."""
        self._connections.close()

    def _reply(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        deadline = time.monotonic() + self._reach.timeout
        url = self.secrets.fill_address(url)
        for _ in range(REDIRECTS + 1):
            found = self._response(method, url, body, headers, deadline)
            if not 300 <= found.status < 400:
                break
            url = self._redirected(method, url, found)
        else:
            raise QueryError(f"more than {REDIRECTS} redirects")
        if method == "POST" and self._reach.witness is not None:
            self._reach.witness(self._exchange(url, body, headers, found))
        if not 200 <= found.status < 300:
            raise self._refusal(found)
        return Reply(found.headers, found.body)

    def _exchange(
        self, url: str, body: bytes, headers: Mapping[str, str], found: _Response
    ) -> Exchange:
        kind = {**self._headers, **headers}
        types = [value for name, value in kind.items() if name.lower() == "content-type"]
        return Exchange(
            address=shown(url),
            sent=self.secrets.scrub(body),
            sent_type=(types or ["no content type"])[-1],
            status=found.status,
            said=found.body,
            said_type=found.headers.get("content-type", "no content type"),
        )

    def _response(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], deadline: float
    ) -> _Response:
        """Send one request and read the whole response.

        Raises:
            TransientError: No whole response arrived before `deadline`, by the monotonic clock.
            QueryError: The response is refused: compressed, too long, or of an untrusted server.
        """
        connection = self._connections.mine()
        connection.deadline = deadline
        try:
            request = connection.client.build_request(
                method,
                self._pinned(url),
                content=body,
                headers={**self._headers, **headers},
                # The certificate is checked against the name, although requests go to the IP.
                extensions={"sni_hostname": self._address.host, "trace": connection.trace},
            )
            response = connection.client.send(request, stream=True)
            try:
                content = self._read(response)
            finally:
                response.close()
        except httpx.InvalidURL as error:
            raise QueryError("the address has an unreadable path") from error
        except (httpx.TransportError, OSError) as error:
            raise self._out_of_reach(error, deadline) from error
        finally:
            connection.deadline = math.inf  # an idle connection is kept for the next request
        return _Response(response.status_code, dict(response.headers), content)

    def _out_of_reach(self, error: Exception, deadline: float) -> QueryError:
        # A connection that was cut at its deadline fails like one that the server closed; only the
        # clock tells them apart. The margin is for a server whose own limit is as long.
        if isinstance(error, httpx.TimeoutException) or time.monotonic() >= deadline - 0.05:
            return TransientError(f"no whole reply within {self._reach.timeout:g} s")
        if is_certificate(error):
            return QueryError(f"its certificate is not trusted: {self._line(str(error))}")
        told = f"can't be reached: {self._line(str(error) or type(error).__name__)}"
        if isinstance(error, httpx.ConnectError):
            return UnreachableError(told)
        return TransientError(told)

    def _read(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise QueryError("the reply is compressed though that was not asked for")
        # Read in parts, since a server need not keep to the length that it announced, or to any.
        limit, parts, size = self._reach.largest_reply, [], 0
        for part in response.iter_raw(1 << 16):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise QueryError(f"the reply is longer than {limit} bytes")
        return self.secrets.scrub(b"".join(parts))

    def _pinned(self, url: str) -> str:
        parts = urlsplit(url)
        return parts._replace(netloc=self._address.pinned, fragment="").geturl()

    def _redirected(self, method: str, url: str, found: _Response) -> str:
        """Address that a redirect leads to, if it may be followed.

        Raises:
            QueryError: It leads to another server, which would get token and points unchecked, or
                it would drop the body of a POST.
        """
        location = found.headers.get("location", "")
        try:
            target = urljoin(url, location)
            same = _origin(target) == _origin(url)
        except ValueError:  # the location is no address
            target, same = "", False
        if not same:
            raise QueryError(f"redirects to {self._line(location)!r}; another host is not followed")
        if method != "GET" and found.status not in REPEATABLE:
            raise QueryError(f"redirects a question with status {found.status}; ask there directly")
        return target

    def _refusal(self, found: _Response) -> QueryError:
        status = found.status
        line = f"answers with status {status}: {self.secrets.hide(_shown(found.body))}"
        if status in DENIED:
            return QueryError(
                f"{line}; give a token: --header 'Authorization: Bearer ${{NAME}}', with NAME set "
                "in the environment"
            )
        if status in BUSY or status >= 500:
            return TransientError(line, _seconds(found.headers.get("retry-after")))
        return BatchError(line) if status in TOO_MUCH else QueryError(line)

    def _line(self, text: str) -> str:
        return self.secrets.hide(" ".join(text.split()))[:SHOWN]


def _origin(url: str) -> _Origin:
    parts = urlsplit(url)
    return _Origin(parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme))


def _seconds(text: str | None) -> float | None:
    """Seconds to wait by a Retry-After header, a number or a date; None if it is unreadable."""
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
    """The beginning of a body as one line."""
    # Cut before decoding: bodies may have 16 MiB, and a character at most 4 bytes.
    text = " ".join(body[: 4 * SHOWN].decode("utf-8", "replace").split())
    return text[:SHOWN] or "nothing"
