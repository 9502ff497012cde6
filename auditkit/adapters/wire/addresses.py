"""Which addresses are asked: encrypted, public, and the very machine that was checked."""

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from auditkit.adapters.wire.secrets import PLACE, SENSITIVE
from auditkit.core.errors import SuspectLoadError, TransientError
from auditkit.core.requests import Reach

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}
PLAIN = ("http", "grpc")


@dataclass(frozen=True, slots=True)
class Address:
    """Where requests go: the name is resolved once, so that it can't turn elsewhere later."""

    scheme: str
    host: str
    port: int
    ip: str

    @property
    def authority(self) -> str:
        """host, or host:port where the port is not the scheme's."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def pinned(self) -> str:
        """ip:port."""
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


def parsed(url: str) -> SplitResult:
    """An address in parts.

    Raises:
        SuspectLoadError: It is none, or a secret is written in it.
    """
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
    """The machine behind an address, if it may be asked.

    Raises:
        SuspectLoadError: It may not: not encrypted, private, or nowhere.
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
    if not reach.allow_private:
        for ip in found:
            _check_public(host, ip)
    return Address(parts.scheme, host, port, str(found[0]))


def _ips(host: str, port: int) -> list[IP]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise TransientError(f"the name {host!r} can't be resolved") from error
    return [ipaddress.ip_address(str(where[0]).partition("%")[0]) for *_, where in found]


def _names_this_machine(host: str) -> bool:
    """Only by a name that can mean nothing else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_public(host: str, ip: IP) -> None:
    if ip.is_loopback and _names_this_machine(host):
        return
    if any(not part.is_global or part.is_multicast for part in (ip, *_within(ip))):
        raise SuspectLoadError(
            f"{host!r} is {ip}, no public address; use --allow-private if that is meant"
        )


def _within(ip: IP) -> list[IP]:
    """IPv4 addresses that an IPv6 one leads to."""
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    nat64 = ip in ipaddress.ip_network("64:ff9b::/96")
    last = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if nat64 else None
    return [part for part in (ip.ipv4_mapped, ip.sixtofour, last) if part is not None]


def shown(address: str) -> str:
    """An address as a report may show it: without user, password and values of its query."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address
    host, slash, path = rest.partition("/")
    path, question, _ = path.partition("?")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}{question and '?…'}"
