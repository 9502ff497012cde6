"""Address checks: only encrypted addresses of public machines are queried.

They keep an address that a stranger supplied from making auditkit query services of the auditor's
own network, such as a cloud's metadata service (server-side request forgery).
"""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from auditkit.adapters.wire.secrets import PLACE, SENSITIVE
from auditkit.core.errors import SuspectLoadError, TransientError
from auditkit.core.requests import Reach

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}
"""Default port of each scheme."""
LOCAL = tuple(map(ipaddress.ip_network, ("64:ff9b:1::/48", "::/96")))
"""Ranges that Python counts as public: NAT64 of a network's own (RFC 8215), which leads to any IPv4
address of it, and IPv4 addresses written as IPv6 (RFC 4291)."""
PLAIN = ("http", "grpc")
"""Schemes without encryption."""


@dataclass(frozen=True, slots=True)
class Address:
    """A checked address with the IP that its name was resolved to."""

    # Connections go to this IP. If the name were resolved again for each of them, its owner could
    # answer the check with a public IP and the connection with a private one (DNS rebinding).

    scheme: str
    host: str
    port: int
    ip: str

    @property
    def authority(self) -> str:
        """`host`, or `host:port` if the port is not the scheme's default; for the Host header."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def pinned(self) -> str:
        """`ip:port`, to connect to."""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


def parsed(url: str) -> SplitResult:
    """Split an address into its parts, without resolving its name.

    Raises:
        SuspectLoadError: It is malformed, or holds a password or token instead of `${NAME}`.
    """
    # `port` raises for numbers above 65535, and urlsplit for an unclosed bracket.
    try:
        parts = urlsplit(url)
        port_is_readable = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_readable = urlsplit(""), False
    if parts.username is not None or parts.password is not None:
        raise SuspectLoadError(
            "the address holds a user name or password; give it as a header instead: "
            "--header 'Authorization: Basic ${NAME}'"
        )
    if not port_is_readable or not parts.hostname or not url.isprintable() or " " in url:
        raise SuspectLoadError("not an address; wanted https://host/…")
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if SENSITIVE.search(name) and not PLACE.search(value):
            raise SuspectLoadError(
                f"the address holds a secret as {name!r}; write {name}=${{NAME}} in single quotes "
                "and set NAME in the environment"
            )
    return parts


def resolved(url: str, reach: Reach) -> Address:
    """Resolve an address and check that it may be queried.

    Raises:
        SuspectLoadError: It is malformed, not encrypted or not public, and `reach` does not allow
            that.
        TransientError: Its name can't be resolved now.
    """
    parts = parsed(url)
    host = str(parts.hostname)
    if parts.scheme not in PORTS:
        raise SuspectLoadError(
            f"{parts.scheme}: addresses can't be asked; wanted {', '.join(PORTS)}"
        )
    if parts.scheme in PLAIN and not (reach.allow_http or _names_this_machine(host)):
        raise SuspectLoadError(
            f"{parts.scheme}://{host} is not encrypted; use {parts.scheme}s, or --allow-http"
        )
    port = parts.port or PORTS[parts.scheme]
    found = _ips(host, port)
    # All are checked although the first is used, since a name with a private address among public
    # ones is suspicious, and their order is up to the resolver.
    if not reach.allow_private:
        for ip in found:
            _check_public(host, ip)
    return Address(parts.scheme, host, port, str(found[0]))


def _ips(host: str, port: int) -> list[IP]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise TransientError(f"the name {host!r} can't be resolved") from error
    # Link-local IPv6 addresses come with a zone, as in fe80::1%eth0.
    return [ipaddress.ip_address(str(where[0]).partition("%")[0]) for *_, where in found]


def _names_this_machine(host: str) -> bool:
    """Whether the host is a loopback IP or `localhost`."""
    # Any other name that resolves to 127.0.0.1 is somebody else's claim, and is refused as private.
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_public(host: str, ip: IP) -> None:
    if ip.is_loopback and _names_this_machine(host):
        return
    # is_global is true for multicast addresses that are routed worldwide.
    private = any(not part.is_global or part.is_multicast for part in (ip, *_within(ip)))
    if private or any(ip in network for network in LOCAL):
        raise SuspectLoadError(
            f"{host!r} is {ip}, no public address; use --allow-private if that is meant"
        )


def _within(ip: IP) -> list[IP]:
    """IPv4 addresses that an IPv6 address is translated to: mapped, 6to4 and NAT64."""
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    nat64 = ip in ipaddress.ip_network("64:ff9b::/96")
    last = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if nat64 else None
    return [part for part in (ip.ipv4_mapped, ip.sixtofour, last) if part is not None]


def shown(address: str) -> str:
    """An address without user, password and query, as reports and messages may show it."""
    # By hand, since it must also hold for what urlsplit refuses: error messages repeat such texts.
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address
    host, slash, path = rest.partition("/")
    path, question, _ = path.partition("?")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}{question and '?…'}"
