"""Ed25519 keys: a private file (PKCS8, PEM) that only its owner may read, and a public one."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auditkit.core.errors import SigningKeyError
from auditkit.core.escape import first_line
from auditkit.core.provenance import sha256
from auditkit.files.temporary import write_new

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALGORITHM = "ed25519:"
LARGEST = 1 << 16
"""Bytes of a key file that are read; a key has 119."""
SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in its DER form (RFC 8410)."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signatures are believed."""

    raw: bytes  # 32 bytes

    @property
    def keyid(self) -> str:
        """The key itself in hexadecimal, as envelopes name it."""
        return ALGORITHM + self.raw.hex()

    @property
    def fingerprint(self) -> str:
        """`sha256:…` of the key in DER form, which openssl computes alike."""
        return sha256(SPKI + self.raw)

    def made(self, signature: bytes, data: bytes) -> bool:
        """Return whether a signature of these bytes was made with this key."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key; it is never shown."""

    private: "Ed25519PrivateKey"

    @property
    def public(self) -> PublicKey:
        """The key that others need to check what this one signs."""
        return PublicKey(self.private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> bytes:
        """Return the signature, 64 bytes; the same bytes always get the same one."""
        return self.private.sign(data)


def public_path(path: Path) -> Path:
    """Return where the public key lies that belongs to a private one."""
    return path.with_name(f"{path.name}.pub")


def make(path: Path) -> PublicKey:
    """Make a pair of keys: the private one at `path`, the public one at `path`.pub.

    Raises:
        SigningKeyError: One of the files is there already, or can't be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    secret = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    shown = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    beside = public_path(path)
    # The public one first: a private key without it would look finished and be of no use.
    _write_new(beside, shown, 0o644)
    try:
        _write_new(path, secret, 0o600)
    except SigningKeyError:
        beside.unlink(missing_ok=True)
        raise
    return Signer(private).public


def private(path: Path) -> Signer:
    """Read a private key.

    Raises:
        SigningKeyError: It is no Ed25519 key, needs a password, or can't be read.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        found = load_pem_private_key(_bytes(path), password=None)
    except TypeError as error:
        raise SigningKeyError(
            f"{str(path)!r} needs a password; wanted a key without one, as auditkit keygen makes it"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(
            f"{str(path)!r} is no private key in PEM form; make one with: auditkit keygen KEY"
        ) from error
    if not isinstance(found, Ed25519PrivateKey):
        raise SigningKeyError(_other(path, found))
    return Signer(found)


def public(path: Path) -> PublicKey:
    """Read a public key.

    Raises:
        SigningKeyError: It is no Ed25519 key, a private one, or can't be read.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data = _bytes(path)
    if b"PRIVATE KEY" in data:
        raise SigningKeyError(f"{str(path)!r} is a private key; give the public one, KEY.pub")
    try:
        found = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(
            f"{str(path)!r} is no public key in PEM form; wanted the KEY.pub of auditkit keygen"
        ) from error
    if not isinstance(found, Ed25519PublicKey):
        raise SigningKeyError(_other(path, found))
    return PublicKey(found.public_bytes_raw())


def named(keyid: str) -> PublicKey | None:
    """Return the key that an envelope names; None if it is none of those that auditkit checks."""
    digits = keyid.removeprefix(ALGORITHM)
    known = keyid.startswith(ALGORITHM) and len(digits) == 64
    # Upper-case digits would be a second name of the same key.
    if not known or not set(digits) <= set("0123456789abcdef"):
        return None
    return PublicKey(bytes.fromhex(digits))


def _other(path: Path, found: object) -> str:
    kind = type(found).__name__.lstrip("_").removesuffix("Key")
    return f"{str(path)!r} is a key of the kind {kind}; wanted Ed25519, as auditkit keygen makes it"


def _bytes(path: Path) -> bytes:
    try:
        # A key may come through a pipe, from a program that keeps passwords.
        with path.open("rb") as file:
            return file.read(LARGEST)
    except (OSError, ValueError) as error:
        raise SigningKeyError(f"{str(path)!r} can't be read: {first_line(error)}") from error


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file only where there is none: a key that is lost signs nothing more."""
    try:
        write_new(path, data, mode)
    except FileExistsError as error:
        raise SigningKeyError(
            f"{str(path)!r} is there already and is not overwritten; name another"
        ) from error
    except (OSError, ValueError) as error:
        raise SigningKeyError(f"{str(path)!r} can't be written: {first_line(error)}") from error
