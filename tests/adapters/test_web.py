"""What comes back is whole, small, in time and from where it was asked, or one line."""

import gzip
import socket
import ssl
import threading
import time

import pytest
import trustme

from auditkit.adapters.wire.web import Web
from auditkit.core.errors import BatchError, QueryError, SuspectLoadError, TransientError
from auditkit.core.requests import Reach
from tests.api import Api, Told, asked, told


def refused(reply: Told, message: str, reach: Reach = Reach()) -> QueryError:
    """What is raised when this comes back."""
    with Api(lambda _a: reply) as api, pytest.raises(QueryError, match=message) as caught:
        asked(api, reach=reach)
    return caught.value


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
