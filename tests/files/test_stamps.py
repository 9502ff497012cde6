"""Time stamps of an authority made on the spot: what holds is believed, and nothing else."""

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest

from auditkit.core.errors import MissingRuntimeError, TimeStampError
from auditkit.files import bundle as bundles
from auditkit.files.signing import keys, signed, stamps
from tests.files.test_signing import small

pytestmark = pytest.mark.skipif(find_spec("rfc3161_client") is None, reason="needs rfc3161-client")

CONFIG = """
[tsa]
default_tsa = here
[here]
serial = serial
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
signer_digest = sha256
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[stamper]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def openssl(folder, *arguments):
    """Run openssl within a folder."""
    command = ["openssl", *map(str, arguments)]
    subprocess.run(command, cwd=folder, capture_output=True, check=True)


class Authority:
    """A time-stamping authority: a root, and a certificate that it gave for stamping."""

    def __init__(self, folder, name):
        folder.mkdir()
        self.folder, self.root = folder, folder / "root.pem"
        (folder / "tsa.cnf").write_text(CONFIG)
        (folder / "serial").write_text("01")
        new = ("-newkey", "rsa:2048", "-nodes")
        subject = ("-subj", f"/CN={name}")
        ca = ("-config", "tsa.cnf", "-extensions", "root", *subject, "-days", 30)
        (folder / "tsa.cnf").write_text(f"[req]\ndistinguished_name=dn\n[dn]\n{CONFIG}")
        openssl(folder, "req", "-x509", *new, *ca, "-keyout", "root.key", "-out", "root.pem")
        asked = ("-config", "tsa.cnf", "-subj", f"/CN={name} stamper")
        openssl(folder, "req", *new, *asked, "-keyout", "tsa.key", "-out", "tsa.csr")
        given = ("-extfile", "tsa.cnf", "-extensions", "stamper", "-days", 30)
        by = ("-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial")
        openssl(folder, "x509", "-req", "-in", "tsa.csr", *by, *given, "-out", "tsa.pem")

    def reply(self, request: bytes) -> bytes:
        """The reply to a request."""
        (self.folder / "in.tsq").write_bytes(request)
        # Without the root: openssl writes several certificates in an order that is no DER.
        signer = ("-signer", "tsa.pem", "-inkey", "tsa.key")
        asked = ("-config", "tsa.cnf", "-queryfile", "in.tsq")
        openssl(self.folder, "ts", "-reply", *asked, *signer, "-out", "out.tsr")
        return (self.folder / "out.tsr").read_bytes()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """An authority that is believed."""
    return Authority(tmp_path_factory.mktemp("tsa") / "a", "Good Time")


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """An authority that nobody named."""
    return Authority(tmp_path_factory.mktemp("tsa") / "b", "Other Time")


@pytest.fixture
def path(tmp_path):
    """A small bundle, signed."""
    found = tmp_path / "model.fp"
    bundles.write(small(), found)
    keys.make(tmp_path / "key")
    signed.sign(found, keys.private(tmp_path / "key"))
    return found


def stamped(path, authority):
    """Stamp a bundle's envelope; where the stamp lies."""
    request = stamps.request(signed.envelope_path(path).read_bytes())
    return signed.attach(path, authority.reply(request))


def test_a_stamp_shows_when_a_bundle_existed(path, authority, other):
    """The time and who gave it are told; stamps that were not checked are counted."""
    assert signed.commitment(path).stamped().startswith("No time stamp")
    first = stamped(path, authority)
    assert first.name == "model.fp.sig.1.tsr"
    found = signed.commitment(path, authorities=[authority.root])
    assert found.since.endswith("Z")
    assert found.authority == "CN=Good Time stamper"
    assert found.since in found.stamped()
    stamped(path, other)
    unchecked = signed.commitment(path)
    assert (unchecked.unchecked, unchecked.since) == (2, "")
    both = signed.commitment(path, authorities=[other.root, authority.root, other.root])
    assert both.since == found.since
    with pytest.raises(TimeStampError, match="none of the given authorities"):
        signed.commitment(path, authorities=[authority.root])


def test_the_earliest_of_several_stamps_counts(path, monkeypatch):
    """Not the first that was attached, nor the last."""
    times = iter(["2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"])
    monkeypatch.setattr(stamps, "verified", lambda *_: stamps.Stamp(next(times), "somebody"))
    for place in signed.stamp_paths(path)[:3]:
        place.write_bytes(b"a stamp")
    assert signed.commitment(path, authorities=[path]).since == "2026-01-01T00:00:00Z"


def test_openssl_reads_the_stamp_too(path, authority):
    """The stamp lies beside the envelope as any tool for time stamps wants it."""
    place = stamped(path, authority)
    beside = signed.envelope_path(path)
    given = ("-in", place, "-data", beside, "-CAfile", authority.root)
    openssl(path.parent, "ts", "-verify", *given)


def test_the_same_reply_is_kept_once(path, authority):
    """Attaching it again changes nothing."""
    request = stamps.request(signed.envelope_path(path).read_bytes())
    assert request == stamps.request(signed.envelope_path(path).read_bytes())
    reply = authority.reply(request)
    assert signed.attach(path, reply) == signed.attach(path, reply)


def test_what_stamps_something_else_is_not_attached(path, authority):
    """A reply to another request, a refusal and rubbish are refused in one line."""
    for reply, line in (
        (authority.reply(stamps.request(b"something else")), "something else than this"),
        (b"\x30\x03\x02\x01\x00", "no reply"),
        (bytes.fromhex("30053003020102"), "refused to stamp"),
        (b"", "no reply"),
    ):
        with pytest.raises(TimeStampError, match=line):
            signed.attach(path, reply)
    assert [place for place in signed.stamp_paths(path) if place.exists()] == []


def test_flipped_bits_never_move_the_time(path, authority):
    """A changed stamp is refused, or says the same: what nobody signed in it tells nothing."""
    place = stamped(path, authority)
    whole = place.read_bytes()
    before = signed.commitment(path, authorities=[authority.root])
    refused = 0
    for bit in range(0, 8 * len(whole), 7):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        place.write_bytes(changed)
        try:
            found = signed.commitment(path, authorities=[authority.root])
        except TimeStampError:
            refused += 1
        else:
            assert (found.since, found.key) == (before.since, before.key)
    # The rest lies where no signature is: the reply's own status, and flags of its certificates.
    assert refused > 0.5 * len(whole) * 8 / 7


def test_a_stamp_of_an_older_envelope_is_refused(path, authority, tmp_path):
    """A stamp is of one envelope; beside another it does not hold."""
    reply = stamped(path, authority).read_bytes()
    later = tmp_path / "later.fp"
    bundles.write(replace(small(), created="2026-01-02T00:00:00Z"), later)
    signed.sign(later, keys.private(tmp_path / "key"))
    signed.stamp_paths(later)[0].write_bytes(reply)
    with pytest.raises(TimeStampError, match="something else"):
        signed.commitment(later, authorities=[authority.root])


def test_a_file_without_certificates_is_one_line(path, authority, tmp_path):
    """What is given as an authority must hold a certificate."""
    stamped(path, authority)
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "absent.pem"):
        with pytest.raises(TimeStampError, match="holds no certificate"):
            signed.commitment(path, authorities=[tmp_path / name])


def test_without_the_package_the_way_to_it_is_told(path, monkeypatch):
    """Time stamps are an extra; signatures need nothing of it."""
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(MissingRuntimeError, match=r"model-auditkit\[timestamps\]"):
        stamps.request(b"x")
    assert signed.commitment(path).key
