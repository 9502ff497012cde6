"""Whoever signs a bundle is bound to it, and nobody else can sign or change it unnoticed."""

import base64
import json
import stat
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from auditkit.core.access import Access
from auditkit.core.errors import AuditkitError, SignatureError, SigningKeyError
from auditkit.core.fingerprint import Discrimination, Fingerprint
from auditkit.core.models import OwnerRecord
from auditkit.core.points import CORE, FEWEST, Family, InputSpec, Sheet
from auditkit.core.provenance import canonical
from auditkit.files import bundle as bundles
from auditkit.files import container
from auditkit.files.bundle import Bundle
from auditkit.files.signing import envelope, keys, signed, statement
from tests.conftest import digest_of


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    """A key of the owner's."""
    path = tmp_path_factory.mktemp("keys") / "owner"
    keys.make(path)
    return keys.private(path)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A key of somebody else."""
    path = tmp_path_factory.mktemp("keys") / "stranger"
    keys.make(path)
    return keys.private(path)


def small(name="owner.pt") -> Bundle:
    """The smallest bundle there can be."""
    points = np.stack([np.full(FEWEST, 0.5), np.arange(FEWEST) / FEWEST], axis=1)
    made = Fingerprint(
        "deepcore",
        {"level": 1.0},
        0,
        InputSpec((2,), (0.0,), (1.0,)),
        OwnerRecord(name, digest_of("owner"), Access.LOGITS, 2),
        Sheet.of({CORE: Family(points, points)}),
        Discrimination.DISCRIMINATING,
        "measured",
    )
    return Bundle(made, (), {"auditkit": "0"}, "2026-01-01T00:00:00Z")


@pytest.fixture
def path(tmp_path, signer):
    """A small bundle, signed."""
    found = tmp_path / "model.fp"
    bundles.write(small(), found)
    signed.sign(found, signer)
    return found


def test_a_key_is_for_its_owners_eyes_and_never_overwritten(tmp_path):
    """The private file has mode 0600; a second keygen changes neither file."""
    made = keys.make(tmp_path / "key")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert keys.private(tmp_path / "key").public == keys.public(tmp_path / "key.pub") == made
    before = [(tmp_path / name).read_bytes() for name in ("key", "key.pub")]
    with pytest.raises(SigningKeyError, match="not overwritten"):
        keys.make(tmp_path / "key")
    (tmp_path / "key.pub").unlink()
    with pytest.raises(SigningKeyError, match="not overwritten"):
        keys.make(tmp_path / "key")
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert (tmp_path / "key").read_bytes() == before[0]


def test_a_fingerprint_is_the_one_that_openssl_computes(tmp_path):
    """It is the SHA-256 of the key in DER form."""
    made = keys.make(tmp_path / "key")
    command = ["openssl", "pkey", "-pubin", "-in", tmp_path / "key.pub", "-outform", "DER"]
    der = subprocess.run(command, capture_output=True, check=True).stdout
    assert der == keys.SPKI + made.raw


@pytest.mark.parametrize(
    ("algorithm", "line"),
    [("RSA", "is a key of the kind RSA"), ("ED448", "Ed448"), ("", "PEM form"), (None, "be read")],
)
def test_other_keys_are_one_line(tmp_path, algorithm, line):
    """Another algorithm, no key, no file: each is refused with what was wanted."""
    path = tmp_path / "key"
    if algorithm:
        command = ["openssl", "genpkey", "-algorithm", algorithm, "-out", path]
        subprocess.run(command, capture_output=True, check=True)
        with path.with_suffix(".pub").open("wb") as file:
            command = ["openssl", "pkey", "-in", path, "-pubout"]
            subprocess.run(command, stdout=file, check=True)
    elif algorithm is not None:
        path.write_text("no key")
        path.with_suffix(".pub").write_text("no key")
    for read, name in ((keys.private, "key"), (keys.public, "key.pub")):
        with pytest.raises(SigningKeyError, match=line) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_private_key_is_no_public_one(tmp_path):
    """Who gives the private key where the public one belongs is told so."""
    keys.make(tmp_path / "key")
    with pytest.raises(SigningKeyError, match="give the public one"):
        keys.public(tmp_path / "key")
    command = ["openssl", "pkey", "-in", tmp_path / "key", "-aes256", "-passout", "pass:x"]
    subprocess.run([*command, "-out", tmp_path / "locked"], check=True)
    with pytest.raises(SigningKeyError, match="without one"):
        keys.private(tmp_path / "locked")


def test_what_is_signed_is_what_dsse_says():
    """The example of the DSSE protocol gives its bytes."""
    assert (
        envelope.pre_authentication("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_who_signed_is_told(path, signer):
    """With the key, without one, and unsigned: each commitment says what is known."""
    with_key, without = signed.commitment(path, signer.public), signed.commitment(path)
    assert (with_key.key, with_key.known) == (signer.public.fingerprint, True)
    assert without == replace(with_key, known=False)
    signed.envelope_path(path).unlink()
    assert signed.commitment(path).key == ""
    with pytest.raises(SignatureError, match="is not signed"):
        signed.commitment(path, signer.public)


def test_a_statement_holds_what_the_owner_is_bound_to(path, signer):
    """The file's digest, the bundle's, the owner, how points were found and in which order."""
    found = json.loads(envelope.opened(signed.envelope_path(path).read_bytes()).payload)
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["subject"] == [
        {"name": "model.fp", "digest": {"sha256": container.sha256(path.read_bytes())[7:]}}
    ]
    facts, made = found["predicate"], small()
    assert facts["bundle"] == made.digest
    assert facts["owner"]["digest"] == digest_of("owner")
    assert (facts["method"], facts["seed"], facts["parameters"]) == ("deepcore", 0, {"level": 1.0})
    assert facts["line_up"]["level"] == made.fingerprint.line_up.level


def test_signing_again_gives_the_same_envelope(path, signer, stranger):
    """Another key, or another bundle in the same place, never replaces a signature."""
    before = signed.envelope_path(path).read_bytes()
    assert signed.sign(path, signer) == before
    with pytest.raises(SignatureError, match="is there already"):
        signed.sign(path, stranger)
    bundles.write(small("another.pt"), path)
    with pytest.raises(SignatureError, match="is there already"):
        signed.sign(path, signer)
    assert signed.envelope_path(path).read_bytes() == before


def test_every_flipped_bit_is_refused(path, signer):
    """Of the bundle and of its envelope, with the key and without."""
    for place in (path, signed.envelope_path(path)):
        whole = place.read_bytes()
        for bit in range(8 * len(whole)):
            changed = bytearray(whole)
            changed[bit // 8] ^= 1 << bit % 8
            place.write_bytes(changed)
            # Without a key the envelope alone decides; it is the same for any bit of the bundle.
            for key in (signer.public, None) if place != path else (signer.public,):
                with pytest.raises(SignatureError):
                    signed.verified(path, key)
        place.write_bytes(whole)
    signed.verified(path, signer.public)


def test_a_resealed_bundle_is_refused(path, signer):
    """The tools' versions are not in a bundle's digest, but the signature covers them."""
    bundles.write(replace(small(), versions={"auditkit": "9"}), path)
    assert bundles.read(path).digest == small().digest
    with pytest.raises(SignatureError, match="changed after it was signed"):
        signed.commitment(path, signer.public)


def test_an_envelope_of_another_bundle_is_refused(path, signer, tmp_path):
    """What is signed names the file that it is about."""
    other = tmp_path / "other.fp"
    bundles.write(small("other.pt"), other)
    made = signed.sign(other, signer)
    signed.envelope_path(path).write_bytes(made)
    with pytest.raises(SignatureError, match="signs another file"):
        signed.commitment(path, signer.public)
    renamed = tmp_path / "renamed.fp"
    renamed.write_bytes(other.read_bytes())
    signed.envelope_path(renamed).write_bytes(made)
    assert signed.commitment(renamed, signer.public).known


@pytest.mark.parametrize("name", ["owner", "seed", "order", "extra", "_type", "predicateType"])
def test_a_signed_lie_is_refused(path, signer, name):
    """A statement that says other than the file is refused, even by the right key."""
    found = json.loads(statement.of(path))
    (found if name in found else found["predicate"])[name] = "something else"
    made = envelope.sealed(canonical(found), signer)
    signed.envelope_path(path).write_bytes(made)
    with pytest.raises(SignatureError):
        signed.commitment(path, signer.public)


def resigned(path, change):
    """Change the parsed envelope and write it as auditkit would."""
    beside = signed.envelope_path(path)
    whole = json.loads(beside.read_bytes())
    beside.write_bytes(canonical(change(whole)))


def test_one_of_several_signatures_is_enough(path, signer, stranger):
    """As DSSE has it: a co-signer's stands beside the owner's, in any order, named or not."""
    payload = statement.of(path)
    [mine] = json.loads(envelope.sealed(payload, signer))["signatures"]
    [other] = json.loads(envelope.sealed(payload, stranger))["signatures"]
    for listed in ([mine, other], [other, mine], [{"sig": mine["sig"]}], [{**mine, "keyid": ""}]):
        resigned(path, lambda whole, listed=listed: {**whole, "signatures": listed})
        assert signed.verified(path, signer.public).key == signer.public
    resigned(path, lambda whole: {**whole, "signatures": [{"sig": mine["sig"]}]})
    with pytest.raises(SignatureError, match="give the key with --public"):
        signed.verified(path)
    resigned(path, lambda whole: {**whole, "signatures": [other]})
    with pytest.raises(SignatureError, match="it is signed by"):
        signed.verified(path, signer.public)


@pytest.mark.parametrize(
    ("keyid", "line"),
    [
        ("rsa:00", "not Ed25519"),
        ("ed25519:00", "not Ed25519"),
        ("ED25519:" + "0" * 64, "not Ed25519"),
        ("ed25519:" + "0" * 64, "wanted"),
    ],
)
def test_an_unknown_algorithm_is_refused(path, signer, keyid, line):
    """The name of another algorithm or key never leads to the owner's key being tried."""

    def renamed(whole):
        return {**whole, "signatures": [{**whole["signatures"][0], "keyid": keyid}]}

    resigned(path, renamed)
    with pytest.raises(SignatureError, match=line):
        signed.verified(path, signer.public)
    with pytest.raises(SignatureError):
        signed.verified(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + b"\n",
        lambda text: text.replace(b'","', b'", "', 1),
        lambda text: text.replace(b'{"payload"', b'{"odd":1,"payload"', 1),
        lambda text: text.replace(b'"sig"', b'"sig":"","sig"', 1),
        lambda text: text.replace(b"=", b"", 1),
        lambda text: text.replace(b"=", b"\\u003d", 1),
        lambda text: text[: text.index(b'"signatures"')] + b'"signatures":[]}',
        lambda text: text[: text.index(b'"signatures"')] + b'"signatures":{}}',
        lambda text: text[: text.index(b'"signatures"')] + b'"signatures":[1]}',
        lambda _: b"[" * 100_000,
        lambda _: b"",
        lambda _: b"1",
        lambda _: b'"\\ud800"',
        lambda _: b"\xff\xfe",
        lambda _: b" " * (envelope.LARGEST + 1),
    ],
)
def test_an_odd_envelope_is_one_line(path, signer, change):
    """Whatever is not written as auditkit writes it is refused, in one line."""
    beside = signed.envelope_path(path)
    changed = change(beside.read_bytes())
    assert changed != beside.read_bytes()
    beside.write_bytes(changed)
    with pytest.raises(SignatureError) as caught:
        signed.verified(path, signer.public)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b"no json", b'{"a": 1}', b"[" * 100_000])
def test_an_odd_payload_is_one_line(path, signer, payload):
    """A key may have signed anything; what is no statement is refused after the signature held."""
    for kind in (envelope.IN_TOTO, "text/plain"):
        made = envelope.sealed(payload, signer, kind)
        signed.envelope_path(path).write_bytes(made)
        with pytest.raises(SignatureError):
            signed.verified(path, signer.public)


def test_what_is_signed_as_another_type_is_refused(path, signer):
    """A text that was signed as something else can't be passed off as a statement."""
    made = envelope.sealed(statement.of(path), signer, "text/plain")
    signed.envelope_path(path).write_bytes(made)
    with pytest.raises(SignatureError, match="it signs 'text/plain'"):
        signed.verified(path, signer.public)


def test_nothing_is_parsed_before_the_signature_holds(path, signer, monkeypatch):
    """A payload that nobody signed never reaches the parser."""

    def parsed(*_):
        raise AssertionError("parsed before it was verified")

    def other(whole):
        return {**whole, "payload": base64.b64encode(b"{}").decode()}

    monkeypatch.setattr(statement, "check", parsed)
    resigned(path, other)
    with pytest.raises(SignatureError, match="does not hold"):
        signed.verified(path, signer.public)


def test_what_is_no_auditkit_file_is_not_signed(tmp_path, signer):
    """A commitment is about a bundle or evidence; of something else nothing is written."""
    (tmp_path / "model.onnx").write_bytes(b"something else entirely")
    with pytest.raises(AuditkitError):
        signed.sign(tmp_path / "model.onnx", signer)
    assert not signed.envelope_path(tmp_path / "model.onnx").exists()
