"""Commit before you accuse, as a user types it; a second reader agrees, and sees every edit."""

import contextlib
import importlib.util
import json
import random
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from auditkit.cli import app
from auditkit.commands.testserver.server import Server
from auditkit.core.errors import AuditkitError
from auditkit.files import bundle as bundles
from auditkit.files import container
from auditkit.files.journal import seal_of
from auditkit.files.signing import keys, signed
from tests.conftest import COPY, linear_onnx
from tests.files.test_sealing import rechained
from tests.files.test_stamps import Authority

ROOT = Path(__file__).parents[2]
RUNNER = CliRunner()


@pytest.fixture
def here(tmp_path, monkeypatch, bundle):
    """A folder with a bundle, a copy, and the keys of owner and auditor."""
    monkeypatch.chdir(tmp_path)
    bundles.write(bundle, tmp_path / "model.fp")
    linear_onnx(tmp_path / "copy.onnx", weights=COPY)
    for name in ("owner", "auditor"):
        run("keygen", name)
    return tmp_path


def run(*arguments):
    """The command's result; never a traceback."""
    result = RUNNER.invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def second():
    """The second reader's `main`."""
    path = ROOT / "tools" / "verify_evidence.py"
    spec = importlib.util.spec_from_file_location("verify_evidence", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_signed_bundle_is_verified_and_reported(here):
    """Keygen, sign, verify, check: the report's first lines name the key."""
    fingerprint = keys.public(Path("owner.pub")).fingerprint
    assert (
        fingerprint
        in run("keygen", "third").stdout + run("sign", "model.fp", "--key", "owner").stderr
    )
    for name in ("model.fp", "model.fp.sig"):
        assert fingerprint in run("verify", name, "--public", "owner.pub").stdout
    for options, line in (
        (("--public", "owner.pub"), "the key that was given"),
        ((), "compared with no other"),
    ):
        shown = run("check", "model.fp", "copy.onnx", *options)
        assert shown.exit_code == 3
        above = " ".join(shown.stdout.partition("PIRATED")[0].split())
        assert fingerprint in above
        assert line in above
        assert "No time stamp shows" in above


def test_an_unsigned_bundle_is_said_to_be_so(here):
    """In the first lines and in JSON; with a key it is refused before anybody is asked."""
    shown = run("check", "model.fp", "copy.onnx").stdout
    assert "The bundle is not signed" in shown.partition("PIRATED")[0]
    found = json.loads(run("check", "model.fp", "copy.onnx", "-f", "json").stdout)
    assert found["commitment"] == {
        "signed": False,
        "key": None,
        "key_known": False,
        "existed_by": None,
        "authority": None,
        "unchecked_stamps": 0,
    }
    for command in (
        ("check", "model.fp", "python:nothing:here", "--public", "owner.pub"),
        ("verify", "model.fp", "--public", "owner.pub"),
    ):
        refused = run(*command)
        assert refused.exit_code == 5
        assert refused.stderr.count("\n") == 1
        assert "is not signed" in refused.stderr


def test_a_bad_signature_ends_before_anybody_is_asked(here):
    """One line, exit code 5, with a key and without; judge says the same."""
    run("sign", "model.fp", "--key", "owner")
    run("check", "model.fp", "copy.onnx", "--evidence", "kept")
    [kept] = Path("kept").glob("*.evidence")
    beside = Path("model.fp.sig")
    beside.write_bytes(beside.read_bytes().replace(b'"sig":"', b'"sig":"AA', 1))
    for command in (
        ("check", "model.fp", "python:nothing:here"),
        ("check", "model.fp", "copy.onnx", "--public", "owner.pub"),
        ("judge", "model.fp", kept),
        ("verify", "model.fp", "--public", "owner.pub"),
        ("sign", "model.fp", "--timestamp-request", "out.tsq"),
    ):
        refused = run(*command)
        assert (refused.exit_code, refused.stdout) == (5, "")
        assert refused.stderr.count("\n") == 1
        assert "model.fp.sig" in refused.stderr
    assert not Path("out.tsq").exists()


def test_bad_commands_are_one_line(here):
    """What is missing or wrong is named, with what was wanted."""
    for command, code, line in (
        (("sign", "model.fp"), 2, "--key KEY"),
        (("sign", "model.fp", "--key", "owner.pub"), 5, "no private key"),
        (("sign", "copy.onnx", "--key", "owner"), 5, "no auditkit file"),
        (("sign", "absent.fp", "--key", "owner"), 5, "no such file"),
        (("verify", "model.fp", "--public", "owner"), 5, "give the public one"),
        (("keygen", "owner"), 5, "not overwritten"),
        (("keygen", "no/folder/key"), 5, "can't be written"),
        (("check", "model.fp", "copy.onnx", "--key", "auditor"), 5, "name --evidence"),
        (("check", "model.fp", "copy.onnx", "--key", "absent", "-o", "r"), 5, "can't be read"),
        (("sign", "model.fp", "--timestamp-reply", "absent"), 5, "sign with"),
    ):
        result = run(*command)
        assert (result.exit_code, result.stdout) == (code, ""), command
        assert line in " ".join(result.stderr.split()), command
    assert not Path("r").exists()


def test_signed_evidence_gives_the_same_bytes_again(here, second, monkeypatch):
    """Judge needs no suspect and gives the report byte for byte; the second reader agrees."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1800000000")
    run("sign", "model.fp", "--key", "owner")
    by = ("--public", "owner.pub", "-f", "json", "-o")
    options = ("--key", "auditor", "--evidence", "kept")
    run("check", "model.fp", "copy.onnx", *options, *by, "checked.json")
    Path("copy.onnx").unlink()
    [kept] = Path("kept").glob("*.evidence")
    assert run("judge", "model.fp", kept, *by, "judged.json").exit_code == 3
    assert Path("judged.json").read_bytes() == Path("checked.json").read_bytes()
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    found = json.loads(Path("judged.json").read_text())
    Draft202012Validator(schema).validate(found)
    assert found["commitment"]["key_known"]
    for file in (kept, "checked.json"):
        assert run("verify", file, "--public", "auditor.pub").exit_code == 0
        assert run("verify", file, "--public", "owner.pub").exit_code == 5
    given = ["model.fp", str(kept), "checked.json", "--owner", "owner.pub"]
    assert second.main([*given, "--auditor", "auditor.pub"]) == 0
    assert second.main([*given, "--auditor", "owner.pub"]) == 1


def test_evidence_without_a_key_has_no_chain(here):
    """It is as it was before there were keys."""
    run("check", "model.fp", "copy.onnx", "--evidence", "kept")
    [kept] = Path("kept").iterdir()
    assert "chain" not in container.read(kept, "evidence", 1).manifest
    assert "chain  " not in run("inspect", kept).stdout


def test_evidence_holds_every_question(here, bundle):
    """Each point with its answer, in the order of time; those asked twice come twice."""
    run("check", "model.fp", "copy.onnx", "--evidence", "kept", "--key", "auditor")
    contents = container.read(next(Path("kept").glob("*.evidence")), "evidence", 1)
    entries = contents.manifest["chain"]
    asked = [point for entry in entries if entry["kind"] == "asked" for point in entry["points"]]
    heard = [point for entry in entries if entry["kind"] == "answered" for point in entry["points"]]
    assert len(asked) == contents.manifest["sent"] == 125
    assert (len(set(heard)), len(heard), len(contents.tensors["heard/0"])) == (120, 125, 125)
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    assert contents.manifest["suspect"]["runtime"]["isolation"]
    [kept] = Path("kept").glob("*.evidence")
    assert f"chain           {entries[-1]['digest']}" in run("inspect", kept).stdout


def test_a_broken_chain_is_refused_though_sealed(here):
    """Hashes of the file can be computed anew by anybody; the chain must hold all the same."""
    run("check", "model.fp", "copy.onnx", "--evidence", "kept", "--key", "auditor")
    [kept] = Path("kept").glob("*.evidence")
    contents = container.read(kept, "evidence", 1)
    signed.envelope_path(kept).unlink()
    for change in (
        lambda manifest, _: manifest["chain"].pop(),
        lambda manifest, _: manifest["chain"].reverse(),
        lambda manifest, _: manifest["chain"][0].update(at="1999"),
        lambda manifest, _: manifest["chain"][0].pop("digest"),
        lambda manifest, _: manifest["chain"].insert(0, 1),
        lambda _, tensors: tensors["heard/0"].__setitem__((0, 0), 9),
        lambda _, tensors: tensors.pop("heard/0"),
    ):
        manifest = json.loads(json.dumps(dict(contents.manifest)))
        tensors = {name: np.array(rows) for name, rows in contents.tensors.items()}
        change(manifest, tensors)
        rest = {k: v for k, v in manifest.items() if k not in ("tensors", "seal")}
        container.write(kept, container.Packed(rest, tensors))
        refused = run("judge", "model.fp", kept, "-f", "json")
        [found] = json.loads(refused.stdout)["suspects"]
        assert (found["verdict"], found["reason_code"]) == ("refused", "evidence")


def test_evidence_whose_signature_is_broken_is_refused(here):
    """Judge looks at the signature beside evidence; the verdicts on others stay."""
    for name in ("copy.onnx", "other.onnx"):
        linear_onnx(here / name, weights=COPY + (name == "other.onnx") * np.float32(0.01))
    options = ("--evidence", "kept", "--key", "auditor")
    run("check", "model.fp", "copy.onnx", "other.onnx", *options)
    kept = sorted(Path("kept").glob("*.evidence"))
    signed.envelope_path(kept[0]).write_bytes(signed.envelope_path(kept[1]).read_bytes())
    judged = run("judge", "model.fp", *kept, "-f", "json")
    first, second_ = json.loads(judged.stdout)["suspects"]
    assert (first["verdict"], first["reason_code"]) == ("refused", "signature")
    assert second_["verdict"] == "pirated"


def test_a_second_key_of_the_suspect_is_no_way_in(here):
    """Evidence whose signature was replaced by a stranger's is not the auditor's."""
    run("check", "model.fp", "copy.onnx", "--evidence", "kept", "--key", "auditor")
    [kept] = Path("kept").glob("*.evidence")
    signed.envelope_path(kept).unlink()
    run("sign", kept, "--key", "owner")
    assert run("verify", kept, "--public", "auditor.pub").exit_code == 5
    assert run("judge", "model.fp", kept).exit_code == 3


@pytest.fixture
def whole(here):
    """Everything that an audit of an address leaves, all of it signed."""
    run("sign", "model.fp", "--key", "owner")
    options = ("--key", "auditor", "--evidence", "kept", "--journal", "a.journal")
    with Server(here / "copy.onnx") as server:
        done = run("check", "model.fp", server.url, *options, "-f", "json", "-o", "r.json")
        assert done.exit_code == 3, done.stderr
    [kept] = Path("kept").glob("*.evidence")
    return [kept, Path("r.json"), Path("a.journal")]


def test_a_signed_audit_of_an_address_holds(whole, second):
    """Evidence, report and journal are verified by both readers; the evidence names the journal."""
    for file in whole:
        shown = run("verify", file, "--public", "auditor.pub")
        assert shown.exit_code == 0, shown.stderr
    given = ["model.fp", *map(str, whole), "--owner", "owner.pub", "--auditor", "auditor.pub"]
    assert second.main(given) == 0
    assert run("verify", "a.journal", "--public", "owner.pub").exit_code == 5


def edited(path: Path, chance: random.Random) -> None:
    """Change a file in one of the ways in which files are changed."""
    if path.suffix == ".journal":
        return edit_journal(path, chance)
    data = bytearray(path.read_bytes())
    place = chance.randrange(len(data))
    way = chance.randrange(5)
    if way == 0:
        data[place] ^= 1 << chance.randrange(8)
    elif way == 1:
        data[place] = (data[place] + chance.randrange(1, 256)) % 256
    elif way == 2:
        del data[place : place + chance.randrange(1, 20)]
    elif way == 3:
        data[place:place] = chance.randbytes(chance.randrange(1, 20))
    else:
        data = data[:place]
    path.write_bytes(bytes(data))
    return None


def edit_journal(path: Path, chance: random.Random) -> None:
    """Change an entry or the seal; half of the time the chain is computed anew."""
    with sqlite3.connect(path) as file:
        numbers = [number for (number,) in file.execute("SELECT number FROM entries")]
        number = chance.choice(numbers)
        way = chance.randrange(6)
        if way == 0:
            file.execute("DELETE FROM entries WHERE number >= ?", (number,))
        elif way == 1:
            file.execute("DELETE FROM entries WHERE number = ?", (number,))
        elif way == 2:
            column = chance.choice(["kind", "endpoint", "at", "content", "digest"])
            query = f"UPDATE entries SET {column} = {column} || 'x' WHERE number = ?"  # noqa: S608
            file.execute(query, (number,))
        elif way == 3:
            query = "UPDATE entries SET content = replace(content, '1', '2') WHERE number = ?"
            file.execute(query, (number,))
            file.execute("UPDATE entries SET at = at || '0' WHERE number = ?", (number,))
        elif way == 4:
            column = chance.choice(["entries", "head", "keyid", "signature"])
            file.execute(f"UPDATE seal SET {column} = {column} || '0'")  # noqa: S608
        else:
            file.execute("UPDATE seal SET entries = entries - 1")
            file.execute("DELETE FROM entries WHERE number = ?", (max(numbers),))
    file.close()
    if chance.random() < 0.5:
        rechained(path)


def content(path: Path) -> object:
    """What a file says: its bytes, or a database's rows, which may lie in it in many ways."""
    if path.suffix != ".journal":
        return path.read_bytes()
    with contextlib.closing(sqlite3.connect(path)) as file:
        return [file.execute(f"SELECT * FROM {name}").fetchall() for name in ("entries", "seal")]  # noqa: S608


def holds(path: Path) -> bool:
    """Whether auditkit takes a file for what the auditor signed."""
    key = keys.public(Path("auditor.pub"))
    try:
        if path.suffix == ".journal":
            seal = seal_of(path)
            return seal is not None and seal.key == key
        return signed.verified(path, key).key == key
    except AuditkitError:
        return False


def test_every_one_of_1000_edits_is_detected(whole, second):
    """Of evidence, report, journal and the envelopes: by the second reader, and by auditkit."""
    chance = random.Random(0)  # noqa: S311
    envelopes = [signed.envelope_path(path) for path in whole[:2]]
    targets = [(path, path) for path in whole] + list(zip(envelopes, whole, strict=False))
    kept = {path: path.read_bytes() for path, _ in targets}
    before, detected, number = {path: content(path) for path, _ in targets}, 0, 0
    given = ["--owner", "owner.pub", "--auditor", "auditor.pub"]
    while detected < 1000:
        number += 1
        path, file = targets[number % len(targets)]
        edited(path, chance)
        # Of an edit that the chain's new digests undo, nothing is left to detect.
        if content(path) != before[path]:
            assert second.main(["model.fp", str(file), *given]) == 1, (number, path)
            assert not holds(file), (number, path)
            detected += 1
        for left in path.parent.glob(f"{path.name}-*"):
            left.unlink()
        path.write_bytes(kept[path])
    assert second.main(["model.fp", *map(str, whole), *given]) == 0


@pytest.mark.parametrize("access", ["logits", "label", "rounded", "top-k"])
def test_both_readers_agree_on_every_sort_of_suspect(here, second, access):
    """Scores, labels, several outputs, other classes: what is heard is what is judged."""
    run("sign", "model.fp", "--key", "owner")
    linear_onnx(here / "a.onnx", weights=COPY, last="Softmax")
    linear_onnx(here / "b.onnx", weights=COPY, last="ArgMax")
    linear_onnx(here / "c.onnx", weights=COPY, extra_output=True)
    linear_onnx(here / "d.onnx", weights=np.ones((16, 7), np.float32))
    linear_onnx(here / "e.onnx", weights=COPY[:, [1, 0, 2, 3, 4]])
    suspects = [f"{name}.onnx" for name in "abcde"]
    options = ("--key", "auditor", "--evidence", "kept", "--access", access, "-f", "json")
    checked = json.loads(run("check", "model.fp", *suspects, *options).stdout)
    kept = [next(Path("kept").glob(f"{name}.*.evidence")) for name in suspects]
    judged = json.loads(run("judge", "model.fp", *kept, "-f", "json").stdout)
    assert judged["suspects"] == checked["suspects"]
    given = ["--owner", "owner.pub", "--auditor", "auditor.pub"]
    assert second.main(["model.fp", *map(str, kept), *given]) == 0


def test_answers_of_an_earlier_audit_are_in_the_chain(whole, here, second):
    """An audit that goes on from its journal keeps when each answer was given."""
    options = ("--key", "auditor", "--evidence", "again", "--journal", "a.journal")
    with Server(here / "copy.onnx", port=0) as server:
        address = server.url
        run("check", "model.fp", address, *options[:4], "--journal", "b.journal", "--budget", "60")
        run("check", "model.fp", address, *options[:4], "--journal", "b.journal")
    [kept] = Path("again").glob("*.evidence")
    entries = container.read(kept, "evidence", 1).manifest["chain"]
    counts = dict.fromkeys(("kept", "asked", "answered"), 0)
    for entry in entries:
        counts[entry["kind"]] += len(entry["points"])
    assert counts["kept"] >= 50
    assert counts["kept"] + counts["answered"] >= 120
    given = ["model.fp", str(kept), "b.journal", "--owner", "owner.pub", "--auditor", "auditor.pub"]
    assert second.main(given) == 0


def test_a_label_that_was_not_heard_is_noticed(here, second):
    """Even the auditor can't judge by labels that the chain does not hold."""
    run("sign", "model.fp", "--key", "owner")
    linear_onnx(here / "labels.onnx", weights=COPY, last="ArgMax")
    run("check", "model.fp", "labels.onnx", "--key", "auditor", "--evidence", "kept")
    [kept] = Path("kept").glob("*.evidence")
    contents = container.read(kept, "evidence", 1)
    tensors = {name: np.array(rows) for name, rows in contents.tensors.items()}
    tensors["answers/core/labels"][3] = (tensors["answers/core/labels"][3] + 1) % 5
    rest = {k: v for k, v in contents.manifest.items() if k not in ("tensors", "seal")}
    container.write(kept, container.Packed(rest, tensors))
    signed.envelope_path(kept).unlink()
    run("sign", kept, "--key", "auditor")
    given = ["model.fp", str(kept), "--owner", "owner.pub", "--auditor", "auditor.pub"]
    assert second.main(given) == 1


def test_a_stamped_bundle_is_reported_with_its_time(here, tmp_path_factory):
    """Request, reply, check: the report's first lines say since when the bundle exists."""
    pytest.importorskip("rfc3161_client")
    authority = Authority(tmp_path_factory.mktemp("tsa") / "a", "Good Time")
    run("sign", "model.fp", "--key", "owner", "--timestamp-request", "out.tsq")
    Path("in.tsr").write_bytes(authority.reply(Path("out.tsq").read_bytes()))
    attached = run("sign", "model.fp", "--timestamp-reply", "in.tsr")
    assert attached.exit_code == 0
    assert "model.fp.sig.1.tsr" in attached.stderr
    by = ("--public", "owner.pub", "--authority", authority.root)
    assert "It existed by 20" in run("verify", "model.fp", *by).stdout
    found = json.loads(run("check", "model.fp", "copy.onnx", *by, "-f", "json").stdout)
    assert found["commitment"]["existed_by"].endswith("Z")
    assert found["commitment"]["authority"] == "CN=Good Time stamper"
    plain = json.loads(run("check", "model.fp", "copy.onnx", "-f", "json").stdout)
    assert plain["commitment"]["existed_by"] is None
    assert plain["commitment"]["unchecked_stamps"] == 1
    Path("in.tsr").write_bytes(b"no stamp")
    refused = run("sign", "model.fp", "--timestamp-reply", "in.tsr")
    assert (refused.exit_code, refused.stderr.count("\n")) == (5, 1)
    Path("model.fp.sig.1.tsr").write_bytes(b"no stamp")
    refused = run("check", "model.fp", "python:nothing:here", *by)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (5, "", 1)
