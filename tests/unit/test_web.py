"""What may be asked, what may come back, and what never leaves."""

import gzip
import json
import logging
import socket
import ssl
import threading
import time
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import trustme

from auditkit.errors import BatchError, QueryError, SuspectError, SuspectLoadError, TransientError
from auditkit.remote import addresses
from auditkit.remote.addresses import resolved
from auditkit.remote.reach import Reach
from auditkit.remote.secrets import Secrets
from auditkit.remote.web import Web
from tests.api import Api, Asked, Told, told

TOKEN = "planted-token-0123456789"  # noqa: S105 - none


def asked(api: Api, path: str = "/x", reach: Reach = Reach()):
    """The reply to a GET of this API."""
    web = Web(api.url, reach)
    try:
        return web.get(api.url + path)
    finally:
        web.close()


def refused(reply: Told, message: str, reach: Reach = Reach()) -> QueryError:
    """What is raised when this comes back."""
    with Api(lambda _a: reply) as api, pytest.raises(QueryError, match=message) as caught:
        asked(api, reach=reach)
    return caught.value


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


def test_redirects_to_other_hosts_are_not_followed():
    """A redirect elsewhere ends in one line, and the token does not go along."""
    with Api(lambda _a: told("stolen")) as other:
        away = told("", 307, location=f"{other.url}/x".replace("127.0.0.1", "localhost"))
        with Api(lambda _a: away) as api, pytest.raises(QueryError, match="another host"):
            asked(api)
        assert other.asked == []


def test_redirects_within_the_host_are_followed_a_few_times():
    """A moved page is found, a circle ends in one line."""
    with Api(lambda a: told("", 307, location="/y") if a.path == "/x" else told("here")) as api:
        assert asked(api).json() == "here"
    with (
        Api(lambda _a: told("", 307, location="/x")) as api,
        pytest.raises(QueryError, match="more than 3 redirects"),
    ):
        asked(api)


def test_a_question_is_not_turned_into_another():
    """A redirect that would drop the question's body is refused."""
    with Api(lambda _a: told("", 303, location="/y")) as api:
        web = Web(api.url, Reach())
        with pytest.raises(QueryError, match="redirects a question"):
            web.post(api.url + "/x", b"points", {})
        web.close()


def test_long_replies_are_cut_off():
    """A reply longer than allowed is not read to its end."""
    with (
        Api(lambda _a: Told(b"x" * 200_000)) as api,
        pytest.raises(QueryError, match="longer than 100000 bytes"),
    ):
        asked(api, reach=Reach(largest_reply=100_000))


def test_compressed_replies_are_refused():
    """A bomb is never unpacked."""
    bomb = Told(gzip.compress(b"0" * 10_000_000), 200, {"content-encoding": "gzip"})
    with Api(lambda _a: bomb) as api, pytest.raises(QueryError, match="compressed"):
        asked(api)
    assert api.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "part", [b"HTTP/1.1 200 OK\r\nx-a: ", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"]
)
def test_replies_that_drip_end_in_time(part):
    """A server that sends a byte now and then holds nobody longer than the timeout."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip():
            line, _ = server.accept()
            with line:
                line.recv(1 << 16)
                line.sendall(part)
                while not stop.wait(0.05):
                    try:
                        line.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        web = Web(url, Reach(timeout=0.5))
        begun = time.monotonic()
        with pytest.raises(TransientError, match=r"no whole reply within 0\.5 s"):
            web.get(url + "/x")
        assert time.monotonic() - begun < 5
        stop.set()
        thread.join()
        web.close()


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"{", b"[" * 200_000, b"\xff\xfe", b'{"a": 1' + b"9" * 9999 + b"}"]
)
def test_replies_that_are_no_json_are_one_line(body):
    """HTML, nothing, nested lists and huge numbers end in one line."""
    with (
        Api(lambda _a: Told(body)) as api,
        pytest.raises(QueryError, match="wanted JSON") as caught,
    ):
        asked(api).json()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BatchError),
        (413, BatchError),
        (422, BatchError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
        (404, QueryError),
        (401, QueryError),
    ],
)
def test_statuses_have_their_kind(status, error):
    """Busy may be asked again, too much may be asked in parts, the rest not at all."""
    with (
        Api(lambda _a: told({"error": "because"}, status)) as api,
        pytest.raises(QueryError, match="because") as caught,
    ):
        asked(api)
    assert type(caught.value) is error


@pytest.mark.parametrize(("after", "seconds"), [("7", 7.0), ("soon", None), ("-3", 0.0)])
def test_retry_after_is_read(after, seconds):
    """Seconds are taken as said; what can't be read counts as not said."""
    with (
        Api(lambda _a: told("", 429, retry_after=after)) as api,
        pytest.raises(TransientError) as caught,
    ):
        asked(api)
    assert caught.value.after == seconds


def test_tokens_go_into_requests_alone(monkeypatch, caplog):
    """A token from the environment reaches the server, and no error or log shows it."""
    monkeypatch.setenv("API_TOKEN", TOKEN)
    caplog.set_level(logging.DEBUG)
    reach = Reach(headers={"Authorization": "Bearer ${API_TOKEN}"})

    def echo(request: Asked) -> Told:
        return told({"error": f"bad {request.headers['authorization']}"}, 403)

    with Api(echo) as api, pytest.raises(QueryError) as caught:
        asked(api, "/x?key=${API_TOKEN}", reach)
    assert api.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert api.asked[0].path == f"/x?key={TOKEN}"
    assert TOKEN not in str(caught.value) + caplog.text
    assert "[hidden]" in str(caught.value)


@pytest.mark.parametrize("write", [str, lambda token: quote(token, safe=""), json.dumps])
def test_tokens_of_odd_signs_arrive_and_stay_hidden(monkeypatch, write):
    """Signs that mean something in an address or in JSON change neither what is sent nor hidden."""
    token = 'a+b/c&d="e\\f%20?#'  # noqa: S105 - none
    monkeypatch.setenv("API_TOKEN", token)
    monkeypatch.setenv("OTHER", token[:6])
    reach = Reach(headers={"X-Api-Key": "${API_TOKEN}", "X-Other-Key": "${OTHER}"})
    with Api(lambda _a: Told(f"you said {write(token)}".encode(), 403)) as api:
        with pytest.raises(QueryError) as caught:
            asked(api, "/x?key=${API_TOKEN}", reach)
        assert parse_qs(urlsplit(api.asked[0].path).query)["key"] == [token]
        assert api.asked[0].headers["x-api-key"] == token
    for shown in (token, quote(token, safe=""), json.dumps(token)[1:-1], "%20?#"):
        assert shown not in str(caught.value)


def test_echoed_tokens_are_taken_out_of_replies(monkeypatch):
    """A server that repeats the token gets it into no report."""
    monkeypatch.setenv("API_TOKEN", TOKEN)
    reach = Reach(headers={"X-Api-Key": "${API_TOKEN}"})
    with Api(lambda a: told({"platform": a.headers["x-api-key"]})) as api:
        assert TOKEN.encode() not in asked(api, reach=reach).body


def test_tokens_may_come_from_a_file(tmp_path):
    """A file's line is a token, without its line break."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    assert Secrets().fill(f"Bearer ${{file:{tmp_path / 'token'}}}") == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Authorization": "Bearer abcdef"}, "must name its secret"),
        ({"X-Api-Key": "abcdef"}, "must name its secret"),
        ({"Cookie": "abcdef"}, "must name its secret"),
        ({"X": "${NOWHERE_SET}"}, "the environment has no"),
        ({"X": "${file:/nowhere}"}, "can't be read"),
    ],
)
def test_secrets_that_are_written_out_are_refused(headers, message):
    """A literal secret is refused, and not repeated."""
    with pytest.raises(SuspectLoadError, match=message) as caught:
        Secrets().headers(headers)
    assert "abcdef" not in str(caught.value)


@pytest.mark.parametrize("url", ["https://me:abcdef@host/x", "https://host/x?api_key=abcdef"])
def test_secrets_in_addresses_are_refused(url):
    """A password or key in the address is refused, and not repeated."""
    with pytest.raises(SuspectLoadError) as caught:
        resolved(url, Reach())
    assert "abcdef" not in str(caught.value) + addresses.shown(url)


def test_surroundings_are_ignored(monkeypatch, tmp_path):
    """No proxy and no netrc of the surroundings is used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password abcdef\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with Api(lambda _a: told("ok")) as api:
        assert asked(api).json() == "ok"
    assert "authorization" not in api.asked[0].headers


def test_a_proxy_is_used_when_named():
    """Requests go through the proxy that was asked for."""
    with Api(lambda _a: told("by proxy")) as proxy:
        web = Web("http://127.0.0.1:9", Reach(proxy=proxy.url))
        assert web.get("http://127.0.0.1:9/x").json() == "by proxy"
        web.close()


@pytest.fixture(scope="module")
def authority():
    """Who signs certificates that nobody else trusts."""
    return trustme.CA()


def encrypted(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """A server's side, with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_certificates_of_strangers_are_refused(authority):
    """Who is signed by nobody known is not asked; nothing is sent to it."""
    with (
        Api(lambda _a: told("ok"), encrypted(authority, "localhost")) as api,
        pytest.raises(QueryError, match="its certificate is not trusted"),
    ):
        asked(api)
    assert not api.asked


def test_an_authority_is_trusted_when_named(authority, tmp_path):
    """With --ca the same server is asked, by its name though the connection goes to its number."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with Api(lambda _a: told("ok"), encrypted(authority, "localhost")) as api:
        assert asked(api, reach=Reach(authorities=tmp_path / "ca.pem")).json() == "ok"


def test_certificates_for_other_names_are_refused(authority, tmp_path):
    """A trusted certificate of another host is none for this one."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with (
        Api(lambda _a: told("ok"), encrypted(authority, "example.org")) as api,
        pytest.raises(QueryError, match="its certificate is not trusted"),
    ):
        asked(api, reach=Reach(authorities=tmp_path / "ca.pem"))
    assert not api.asked


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_authorities_that_are_none_are_one_line(tmp_path, content):
    """A wrong --ca is said before anything is asked."""
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(SuspectLoadError, match="holds no certificates; wanted a PEM file"):
        Web("https://localhost:9/x", Reach(authorities=tmp_path / "ca.pem"))
