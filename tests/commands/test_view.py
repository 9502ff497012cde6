"""The local page of a ledger: for one reader, for reading alone, and as it is in a real browser."""

import html
import http.client
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.commands.viewer import shelf
from auditkit.commands.viewer.server import HEADERS, Viewer
from auditkit.files import bundle as bundles
from auditkit.fleet.book import Book, Judged
from tests.conftest import COPY, STRANGER, copy_weights, linear_onnx
from tests.fleet.conftest import scanned
from tests.reports.test_report_browser import CHROMIUM
from tests.reports.test_report_handed_over import ATTACK, Tags

NAME = re.sub("/", "", ATTACK) + "\u202egpj.onnx"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory, lined_up, bundle):
    """A ledger of two bundles, copies, a stranger and a broken file with a hostile name."""
    place = tmp_path_factory.mktemp("view")
    for name, one in (("a.fp", lined_up), ("b.fp", bundle)):
        bundles.write(one, place / name)
    weights = {"copy0": COPY, "copy1": copy_weights(5), "Other": STRANGER}
    for name, one in weights.items():
        linear_onnx(place / f"{name}.onnx", weights=one)
    (place / NAME).write_bytes(b"no model" * 100)
    path = place / "audit.db"
    code, told, _ = scanned(str(place), "--ledger", str(path), "--isolation", "off")
    assert (code, len(told["pairs"])) == (3, 8)
    return path


@pytest.fixture(scope="module")
def viewer(ledger):
    """The page of that ledger, served."""
    with Viewer(ledger) as served:
        yield served


def ask(viewer, path, method="GET", host=None):
    """The reply to a request for a path: its status, headers and text."""
    line = http.client.HTTPConnection("127.0.0.1", viewer.port, timeout=30)
    line.putrequest(method, path, skip_host=True)
    for one in [f"127.0.0.1:{viewer.port}"] if host is None else host:
        line.putheader("Host", one)
    line.endheaders()
    reply = line.getresponse()
    text = reply.read().decode()
    line.close()
    return reply.status, reply.headers, text


def page(viewer, path=""):
    """The text of a page behind the secret."""
    status, _, text = ask(viewer, f"/{viewer.token}/{path}")
    assert status == 200
    return text


def suspects(text):
    """The file names in a table, in its order."""
    return re.findall(r'<a href="pair/[0-9a-f]{24}">[^<]*?([^/<]*)</a>', text)


@pytest.mark.parametrize("path", ["/", "/x/", "/favicon.ico", "/%00/", "/%C3%BC/", "//", "/x"])
def test_nobody_reads_without_the_secret(viewer, path):
    """Every address but those of this run is not there, and says nothing."""
    status, _, text = ask(viewer, path)
    assert (status, text) == (404, "")


@pytest.mark.parametrize(
    "hosts", [["evil.example"], ["evil.example:{}"], ["127.0.0.1"], [], ["127.0.0.1:{}", "x"]]
)
def test_no_other_name_leads_to_the_page(viewer, hosts):
    """A page whose name was bound to this machine gets nothing, even with the secret."""
    hosts = [host.format(viewer.port) for host in hosts]
    status, _, text = ask(viewer, f"/{viewer.token}/", host=hosts)
    assert (status, text) == (421, "")
    assert ask(viewer, f"/{viewer.token}/", host=[f"localhost:{viewer.port}"])[0] == 200


def test_nothing_can_be_changed(viewer, ledger):
    """There is no other method than reading, and the ledger's file stays as it is."""
    before = ledger.read_bytes()
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(viewer, f"/{viewer.token}/", method)[0] == 501
    for path in ("", "map", "?sort=time"):
        page(viewer, path)
    assert ledger.read_bytes() == before
    status, _, text = ask(viewer, f"/{viewer.token}/", "HEAD")
    assert (status, text) == (200, "")


def test_each_run_has_a_secret_and_a_port_of_its_own(ledger):
    """Neither can be guessed from an earlier run."""
    with Viewer(ledger) as one, Viewer(ledger) as other:
        assert one.token != other.token
        assert len(one.token) >= 32
        assert one.port != other.port
        assert one.url.startswith("http://127.0.0.1:")


def test_pages_may_not_be_framed_kept_or_run(viewer):
    """Headers and policy forbid frames, caches, scripts and everything from elsewhere."""
    for path in ("", "map", "pair/" + key(page(viewer))):
        _, headers, text = ask(viewer, f"/{viewer.token}/{path}")
        assert {name: headers[name] for name in HEADERS} == HEADERS
        assert "default-src 'none'" in html.unescape(text)
        assert not {tag for tag, _ in Tags(text).tags} & {"script", "iframe", "object", "img"}
        assert not re.search(r"https?://|url\(|@import", text)
        assert "\u202e" not in text


def key(text):
    """The key of the first pair in a table."""
    return re.search(r"pair/([0-9a-f]{24})", text)[1]


def test_the_table_is_filtered_and_sorted(viewer, lined_up):
    """By verdict, bundle and a part of the name; the accused or the most alike come first."""
    assert len(suspects(page(viewer))) == 8
    assert suspects(page(viewer))[:4] == ["copy0.onnx"] * 2 + ["copy1.onnx"] * 2
    assert suspects(page(viewer, "?verdict=refused"))[0].endswith("gpj.onnx")
    assert suspects(page(viewer, "?name=OTHER")) == ["Other.onnx"] * 2
    assert len(suspects(page(viewer, f"?bundle={lined_up.digest}"))) == 4
    assert suspects(page(viewer, "?sort=suspect"))[-1] == "copy1.onnx"
    gaps = re.findall(r"<td class=\"number\">([+-][\d.]+)</td>", page(viewer, "?sort=stands+out"))
    assert [float(one) for one in gaps] == sorted(map(float, gaps), reverse=True)
    assert len(gaps) == 3
    assert "No verdict fits" in page(viewer, "?name=%00%ff%3Cscript%3E")
    assert suspects(page(viewer, "?sort=x&page=x&verdict=")) == suspects(page(viewer))


def test_a_pair_has_the_report_that_is_handed_over(viewer):
    """The same page as `auditkit report` writes; keys of nothing are not there."""
    text = page(viewer, "pair/" + key(page(viewer, "?verdict=pirated")))
    assert "In plain words: pirated" in text
    assert text.count('<section class="verdict') == 1
    for path in ("pair/" + "0" * 24, "pair/", "pair/x/y", "other", "map/"):
        status, _, found = ask(viewer, f"/{viewer.token}/{path}")
        assert status == 404
        assert "no such page" in found


def test_the_map_shows_who_answers_alike(viewer, lined_up):
    """Copies stand beside the owner, and each suspect leads to its report."""
    text = page(viewer, f"map?bundle={lined_up.digest}")
    spots = {
        name: (float(x), float(y))
        for x, y, name in re.findall(
            r'class="spot [a-z]+" (?:c?x)="([\d.]+)" (?:c?y)="([\d.]+)"[^>]*><title>.*?([^/]*?): ',
            text,
        )
    }
    owner = spots["the owner"]

    def away(name: str) -> float:
        return ((spots[name][0] - owner[0]) ** 2 + (spots[name][1] - owner[1]) ** 2) ** 0.5

    assert max(away("copy0.onnx"), away("copy1.onnx")) < away("Other.onnx") / 3
    assert text.count('<a href="pair/') == 6  # three suspects, in the map and in the tree
    assert "1 suspects are not in it" in text
    assert "no longer where the scan found it" in page(viewer, "map?bundle=gone")


def test_a_long_table_has_pages(tmp_path, monkeypatch):
    """Each page reads the reports of its own rows alone; the last has what is left."""
    monkeypatch.setattr(shelf, "PAGE", 3)
    told = json.loads((GOLDEN / "check-plain.json").read_text().rpartition("exit code")[0])
    told["versions"] = {}
    with Book.open(tmp_path / "audit.db", fresh=True) as book:
        book.name_bundle(told["bundle"]["digest"], "gone.fp", "owner")
        refused = [one for one in told["suspects"] if one["verdict"] == "refused"][:1]
        report = json.dumps({**told, "suspects": refused}).encode()
        for number in range(7):
            book.name_suspect(f"s{number}", f"c{number}")
            judged = Judged("refused", "cannot-open", report if number < 6 else b"{}", None)
            book.keep(told["bundle"]["digest"], f"c{number}", "how", f"s{number}", judged)
    with Viewer(tmp_path / "audit.db") as viewer:
        assert suspects(page(viewer)) == ["s0", "s1", "s2"]
        assert suspects(page(viewer, "?page=2")) == ["s3", "s4", "s5"]
        status, _, text = ask(viewer, f"/{viewer.token}/?page=99")
        assert status == 500
        assert "holds no report of its verdict on" in text
        status, *_ = ask(viewer, f"/{viewer.token}/?" + "&".join(f"a{n}=1" for n in range(99)))
        assert status == 400


GOLDEN = Path(__file__).parents[1] / "golden" / "expected"


@pytest.mark.parametrize(("name", "wanted"), [("gone.db", "no such ledger"), ("x.db", "no ledger")])
def test_what_is_no_ledger_is_one_line(tmp_path, monkeypatch, name, wanted):
    """With exit code 5, and no file is made."""
    monkeypatch.setattr(Viewer, "wait", lambda _self: None)  # it would serve for ever
    (tmp_path / "x.db").write_bytes(b"")
    found = CliRunner().invoke(app, ["view", str(tmp_path / name)])
    assert (found.exit_code, found.stderr.count("\n")) == (5, 1)
    assert wanted in found.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.db"]


def test_the_command_ends_when_it_is_interrupted(ledger):
    """It prints the address alone on stdout, and Ctrl-C is no error."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "auditkit", "view", str(ledger)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32,}/", address)
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in said


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("path", ["", "map"])
def test_a_browser_shows_the_pages_without_a_complaint(viewer, tmp_path, path):
    """The console stays empty, nothing else is asked for, and a hostile name runs nothing."""
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu"),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--disable-background-networking", "--disable-component-update", "--no-first-run"),
            *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--log-net-log={log}"),
            *("--dump-dom", viewer.url + path),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ":CONSOLE" not in done.stderr
    assert "copy0.onnx" in done.stdout
    assert "<script" not in done.stdout
    page = viewer.url + path
    assert page in asked_for(log.read_text()) <= {page, f"http://127.0.0.1:{viewer.port}/"}


def asked_for(log, maker=("google.com", "googleapis.com", "gvt1.com")):
    """The addresses that a browser asked for, without what it asks its own maker unasked."""
    found = set(re.findall(r'"url":"(https?://[^"]+)"', log))
    return {url for url in found if not str(urlsplit(url).hostname).endswith(maker)}
