"""The commands about suspects behind an address, as a user runs them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.commands.testserver.behaviour import Behaviour
from auditkit.commands.testserver.server import Server
from auditkit.core.access import Access
from auditkit.files import bundle as bundles
from tests.api import Api, Asked, Told, told
from tests.conftest import COPY, STRANGER, linear, linear_onnx

RUNNER = CliRunner()
TOKEN = "planted-token-9876543210"  # noqa: S105 - none


@pytest.fixture
def here(tmp_path, monkeypatch, bundle, lined_up):
    """A folder with two bundles, a copy and a stranger."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "model.fp")
    bundles.write(lined_up, tmp_path / "known.fp")
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    linear_onnx(tmp_path / "stranger.onnx", weights=STRANGER)
    return tmp_path


def run(*arguments):
    """The command's result; never a traceback."""
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def pages(**known):
    """A server that has these pages, and takes no questions."""

    def reply(asked: Asked) -> Told:
        found = known.get(asked.path.strip("/").replace(".", "_").replace("/", "_"))
        return told({"error": "no such page"}, 404) if found is None else told(found)

    return Api(reply)


@pytest.mark.parametrize(("name", "code"), [("copy", 3), ("stranger", 0)])
def test_an_address_is_a_suspect(here, name, code):
    """Exit code, queries used and the journal beside it; the same command asks nothing again."""
    log = here / "log.jsonl"
    with Server(here / f"{name}.onnx", log=log) as server:
        first = run("check", "known.fp", server.url, "-f", "json")
        sent = len(log.read_text().splitlines())
        second = run("check", "known.fp", server.url, "-f", "json")
        assert len(log.read_text().splitlines()) == sent
    assert first.exit_code == second.exit_code == code
    assert "auditkit.journal: everything asked and answered" in first.stderr
    [suspect] = json.loads(first.stdout)["suspects"]
    assert (suspect["queries"] < 120) == (name == "copy")  # an acquittal takes all answers
    assert json.loads(second.stdout)["suspects"][0]["verdict"] == suspect["verdict"]
    told_of = run("inspect", "auditkit.journal").stdout
    assert f"{name} " in told_of or f"/{name}" in told_of


def test_the_whole_bundle_is_asked_when_told(here):
    """--whole asks everything, --budget cuts it short, --access uses less."""
    with Server(here / "copy.onnx") as server:
        options = ("--whole", "--access", "label", "-f", "json", "--journal", "a.journal")
        whole = json.loads(run("check", "known.fp", server.url, *options).stdout)["suspects"][0]
        assert (whole["queries"], whole["access"]) == (120, "label")
        options = ("--whole", "--budget", "50", "-f", "json", "--journal", "b.journal")
        found = json.loads(run("check", "model.fp", server.url, *options).stdout)["suspects"][0]
    assert found["queries"] <= 50
    assert found["verdict"] == "inconclusive"


def test_a_token_goes_to_the_server_alone(here, monkeypatch):
    """Taken from the environment by name; written out it is refused and not repeated."""
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    with Server(here / "copy.onnx", Behaviour(token=TOKEN)) as server:
        header = "Authorization: Bearer ${MY_TOKEN}"
        assert run("check", "known.fp", server.url, "--header", header).exit_code == 3
        without = run("check", "known.fp", server.url)
        literal = run("check", "known.fp", server.url, "--header", f"Authorization: {TOKEN}")
    assert without.exit_code == literal.exit_code == 5
    assert "give a token" in without.output
    assert TOKEN not in literal.output + without.output
    for path in here.iterdir():
        assert TOKEN.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("http://example.org/v2/models/m",), "is not encrypted; use https, or --allow-http"),
        (("https://10.0.0.1/v2/models/m",), "no public address; use --allow-private"),
        (("https://169.254.169.254/v2/models/m",), "no public address; use --allow-private"),
        (("https://host.invalid/somewhere",), "auditkit probe"),
        (("http://127.0.0.1:9/v2/models/m", "--patience", "0"), "can't be reached"),
        (("http://127.0.0.1:9/v2/models/m", "--header", "nothing"), "wants 'NAME: VALUE'"),
        (("https://localhost/v2/models/m", "--ca", "no.pem"), "holds no certificates"),
    ],
)
def test_addresses_that_cant_be_asked_are_one_line(here, arguments, line):
    """What was wanted and which option helps, exit code 5, and no verdict."""
    result = run("check", "model.fp", *arguments, "--quiet")
    assert result.exit_code == 5
    assert line in " ".join(result.output.split())


def test_probe_tells_how_to_ask(here):
    """What the model takes and gives, the command that asks it, and nothing was asked of it."""
    log = here / "log.jsonl"
    with Server(here / "copy.onnx", Behaviour(Access.TOP_K), log=log) as server:
        found = run("probe", server.url)
        root = run("probe", server.url.partition("/v2")[0])
        wrong = run("probe", server.url.replace("models/copy", "models/other"))
    assert found.exit_code == root.exit_code == 0
    assert "input  input FP32 [-1, 1, 4, 4]" in found.stdout
    assert "output labels INT64" in found.stdout
    assert f"auditkit check BUNDLE {server.url}" in found.stderr
    assert "name a model" in root.stdout
    assert wrong.exit_code == 5
    assert "is its name right?" in wrong.stderr
    assert not log.read_text()


def test_the_description_that_probe_writes_works(here):
    """-o writes a file that check takes as it is, for a protocol that is known; never over one."""
    with Server(here / "copy.onnx") as server:
        assert run("probe", server.url, "-o", "api.toml").exit_code == 0
        assert run("check", "known.fp", "api.toml").exit_code == 3
        kept = Path("api.toml").read_bytes()
        again = run("probe", server.url, "-o", "api.toml")
    assert again.exit_code == 5
    assert "is there already" in again.stderr
    assert Path("api.toml").read_bytes() == kept


def test_a_predicting_server_s_description_works(here):
    """The predict protocol is known by its address."""

    def reply(asked: Asked) -> Told:
        if asked.method == "GET":
            return told({"model_version_status": []})
        rows = np.array(json.loads(asked.body)["instances"], np.float32)
        return told({"predictions": linear(rows, COPY).tolist()})

    with Api(reply) as api:
        url = f"{api.url}/v1/models/m:predict"
        found = run("probe", url, "-o", "api.toml")
        assert "predict protocol; its status page answers" in found.stdout
        assert run("check", "known.fp", "api.toml").exit_code == 3


@pytest.mark.parametrize(
    ("known", "lines"),
    [
        (
            {
                "schema_json": {
                    "routes": [{"route": "/ask", "input": {"properties": {"image": {}}}}]
                }
            },
            ["BentoML route /ask takes 'image'"],
        ),
        (
            {"openapi_json": {"paths": {"/a": {"get": {}}, "/b": {"post": {}}}}},
            ["OpenAPI: POST /b"],
        ),
        ({"": "hello"}, ["speaks no protocol that auditkit knows"]),
        ({}, ["GET: answers with status 404", "speaks no protocol that auditkit knows"]),
    ],
)
def test_other_servers_get_a_description_to_edit(here, known, lines):
    """Routes are listed where the server tells them; the description begins with one."""
    with pages(**known) as api:
        found = run("probe", api.url + "/", "-o", "api.toml")
    assert found.exit_code == 0
    for line in lines:
        assert line in found.stdout
    description = Path("api.toml").read_text()
    assert description.startswith("# How auditkit asks this API")
    for path in ("/ask", "/b"):
        assert (path in description) == any(path in line for line in lines)


def test_who_is_not_there_is_one_line(here):
    """A dead address is said to be one, not described."""
    found = run("probe", "http://127.0.0.1:9/x")
    assert found.exit_code == 5
    assert "can't be reached" in found.stderr
    assert len(found.stderr.splitlines()) == 1


def asking(response, reply, request='body = "png"'):
    """A server that gives every question this reply, described in api.toml."""
    api = Api(lambda _asked: reply if isinstance(reply, Told) else told(reply))
    Path("api.toml").write_text(
        f'url = "{api.url}/classify?key=${{MY_TOKEN}}"\n[headers]\nX-Key = "${{MY_TOKEN}}"\n'
        f"[request]\n{request}\n[response]\n{response}\n"
    )
    return api


@pytest.mark.parametrize(
    ("request_line", "sent"),
    [
        ('body = "png"', "image/png (86 bytes)"),
        ('upload = { field = "f", kind = "png" }', 'name="f"; filename="0.png" Content-Type: im'),
        ('json = { image = "$point.png" }', '{"image": "iVBOR'),
        ('form = { k = "3", x = "$point.flat" }', "k=3&x=%5B"),
    ],
)
def test_one_point_is_asked_and_shown(here, monkeypatch, bundle, request_line, sent):
    """Request, reply and what is read in it; one request, of a natural point, without secrets."""
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    row = bundle.fingerprint.sheet.rows("control").argmax()
    scores = bundle.fingerprint.sheet.outputs[row].tolist()
    reply = {"scores": scores, "echo": TOKEN}
    with asking('scores = "scores"', reply, request_line) as api:
        found = run("probe", "api.toml", "--ask", "model.fp")
    assert len(api.asked) == 1
    assert found.exit_code == 0
    page = " ".join(found.stdout.split())
    assert sent in page
    assert 'status 200 application/json {"scores": [' in page
    assert f"read class {np.argmax(scores)} of 5" in page
    assert "the owner's model says the same" in page
    assert TOKEN not in found.output


@pytest.mark.parametrize(
    ("response", "reply", "words"),
    [
        ('scores = "b"', {"a": 1}, ['{"a": 1}', "'b' leads nowhere in the reply"]),
        ('labels = "a"\nclasses = ["x"]', {"a": "y"}, ['{"a": "y"}', 'names the class "y"']),
        ('scores = "a"', told({"detail": "no image"}, 422), ["status 422", "no image"]),
        ('scores = "a"', Told(b"<html>\x1b[2J", 200), ["<html>", "wanted JSON"]),
        ('scores = "a"', Told(b"", None), ["can't be reached"]),
    ],
)
def test_a_question_without_an_answer_shows_why(here, monkeypatch, response, reply, words):
    """The reply is shown as it came, then what was wrong with it, with exit code 5; asked once."""
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    with asking(response, reply) as api:
        found = run("probe", "api.toml", "--ask", "model.fp")
    assert found.exit_code == 5
    assert len(api.asked) == 1
    for word in words:
        assert word in " ".join(found.output.split())
    assert "\x1b" not in found.output


def test_a_known_protocol_is_asked_after_the_probe(here):
    """The address itself is asked; where it needs a description, that must be written first."""
    log = here / "log.jsonl"
    with Server(here / "copy.onnx", log=log) as server:
        found = run("probe", server.url, "--ask", "model.fp")
        assert len(log.read_text().splitlines()) == 1
        root = run("probe", server.url.partition("/v2")[0], "--ask", "model.fp")
    assert "the owner's model says" in found.stdout
    assert root.exit_code == 5
    assert "write one with -o api.toml" in root.stderr


def test_files_need_no_journal(here):
    """A file can be asked again for nothing."""
    assert run("check", "model.fp", "copy.onnx").exit_code == 3
    assert not Path("auditkit.journal").exists()
