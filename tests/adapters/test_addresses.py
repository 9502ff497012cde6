"""Only encrypted, public addresses are asked, and only the machine that was checked."""

import socket

import pytest

from auditkit.adapters.wire import addresses
from auditkit.adapters.wire.addresses import resolved
from auditkit.adapters.wire.web import Web
from auditkit.core.errors import SuspectError, SuspectLoadError
from auditkit.core.requests import Reach
from tests.api import Api, told


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.org/x", "not encrypted"),
        ("grpc://example.org/x", "not encrypted"),
        ("ftp://example.org/x", "can't be asked"),
        ("file:///etc/passwd", "not an address"),
        ("https://", "not an address"),
        ("https://[::1/x", "not an address"),
        ("https://host:99999/x", "not an address"),
        ("https://host/a b", "not an address"),
        ("https://host/a\nb", "not an address"),
    ],
)
def test_addresses_that_are_refused(url, message):
    """What is not encrypted, or no address, is refused in one line before anything is sent."""
    with pytest.raises(SuspectLoadError, match=message):
        resolved(url, Reach())


@pytest.mark.parametrize(
    "ip",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "127.0.0.2",
        "0.0.0.0",  # noqa: S104 - an address that must be refused
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "64:ff9b:1::a00:1",
        "64:ff9b:1:ffff::808:808",
        "::10.0.0.1",
        "::8.8.8.8",
    ],
)
def test_names_of_private_addresses_are_refused(monkeypatch, ip):
    """A public name that leads to a private or metadata address is refused, unless allowed."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    found = [(family, socket.SOCK_STREAM, 6, "", (ip, 443))]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_a, **_k: found)
    with pytest.raises(SuspectLoadError, match="no public address"):
        resolved("https://innocent.example/x", Reach())
    assert resolved("https://innocent.example/x", Reach(allow_private=True)).ip


def test_one_private_address_among_public_ones_is_enough(monkeypatch):
    """A name with a public and a private address is refused."""
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("8.8.8.8", "10.1.1.1")
    ]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_a, **_k: found)
    with pytest.raises(SuspectLoadError, match=r"10\.1\.1\.1"):
        resolved("https://innocent.example/x", Reach())


@pytest.mark.parametrize("host", ["0x7f000001", "2130706433", "127.1", "localhost.localdomain"])
def test_odd_names_of_this_machine_are_refused(host):
    """This machine is asked only by a name that can mean nothing else."""
    with pytest.raises(SuspectError):
        resolved(f"http://{host}/x", Reach())


def test_a_name_is_resolved_once(monkeypatch):
    """A name that turns to another address later is still asked at the checked one."""
    with Api(lambda _a: told("ok")) as api:
        answers = iter(["127.0.0.1", "10.0.0.1", "10.0.0.1"])
        real = socket.getaddrinfo

        def turning(host, port, *rest, **named):
            if host == "turns.example":
                host = next(answers)
            return real(host, port, *rest, **named)

        monkeypatch.setattr(socket, "getaddrinfo", turning)
        url = api.url.replace("127.0.0.1", "turns.example")
        web = Web(url, Reach(allow_http=True, allow_private=True))
        assert web.get(url + "/x").json() == "ok"
        web.close()
    assert api.asked[0].headers["host"].startswith("turns.example:")
