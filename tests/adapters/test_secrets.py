"""Tokens go into requests, and appear nowhere else."""

import json
import logging
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from auditkit.adapters.wire import addresses
from auditkit.adapters.wire.addresses import resolved
from auditkit.adapters.wire.secrets import Secrets
from auditkit.core.errors import QueryError, SuspectLoadError
from auditkit.core.requests import Reach
from tests.api import Api, Asked, Told, asked, told

TOKEN = "planted-token-0123456789"  # noqa: S105 - none


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
