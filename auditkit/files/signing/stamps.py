"""Time stamps (RFC 3161) of envelopes, made and checked without a network.

auditkit writes the request and reads the reply; how they travel is the user's business. There is no
nonce in a request: an older stamp of the same envelope would show the same, only earlier.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditkit.core.errors import MissingRuntimeError, TimeStampError
from auditkit.core.escape import clean, first_line
from auditkit.core.reading import contents

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LARGEST = 1 << 24
"""Bytes of a file of certificates that are read."""
GRANTED = 0
SHA256 = "2.16.840.1.101.3.4.2.1"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time stamp that holds."""

    at: str  # ISO 8601, UTC
    authority: str


def request(data: bytes) -> bytes:
    """Return a request for a time stamp of these bytes, in DER form.

    Raises:
        MissingRuntimeError: The extra `timestamps` is not installed.
    """
    client = _client()
    made = client.TimestampRequestBuilder().data(data).nonce(nonce=False)
    made = made.hash_algorithm(client.HashAlgorithm.SHA256).cert_request(cert_request=True)
    found: bytes = made.build().as_bytes()
    return found


def check_fits(reply: bytes, data: bytes) -> None:
    """Check that a reply stamps these bytes; who made it is not looked at.

    Raises:
        TimeStampError: It is no reply, is a refusal, or stamps something else.
        MissingRuntimeError: The extra `timestamps` is not installed.
    """
    _fitting(_client(), reply, data)


def verified(reply: bytes, data: bytes, authorities: Sequence[Path]) -> Stamp:
    """Check a time stamp of these bytes against the certificates of those who are believed.

    Raises:
        TimeStampError: It does not hold, or a file holds no certificate.
        MissingRuntimeError: The extra `timestamps` is not installed.
    """
    client = _client()
    roots = [one for path in authorities for one in _certificates(path)]
    found = _fitting(client, reply, data)
    builder = client.VerifierBuilder()
    # A certificate may be in two of the files, which the client takes for a mistake.
    for root in dict.fromkeys(roots):
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify(found, hashlib.sha256(data).digest())
    # Beyond its own error it lets through those of certificates that are odd (ValueError).
    except (client.VerificationError, ValueError) as error:
        raise TimeStampError(
            f"the time stamp is by none of the given authorities, or was changed: "
            f"{first_line(error)}"
        ) from error
    at = found.tst_info.gen_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Stamp(at, _signer(found))


def _fitting(client: Any, reply: bytes, data: bytes) -> Any:
    try:
        found = client.decode_timestamp_response(reply)
        granted = found.status == GRANTED
        imprint = found.tst_info.message_imprint if granted else None
    except ValueError as error:
        raise TimeStampError(
            f"it is no reply to a time-stamp request (RFC 3161): {first_line(error)}"
        ) from error
    if imprint is None:
        told = ", ".join(found.status_string) or f"status {found.status}"
        raise TimeStampError(f"the authority refused to stamp: {told[:200]}")
    if imprint.hash_algorithm.dotted_string != SHA256:
        raise TimeStampError("it stamps another hash than SHA-256")
    if imprint.message != hashlib.sha256(data).digest():
        raise TimeStampError("it stamps something else than this envelope")
    return found


def _signer(found: Any) -> str:
    """Return the name in the certificate that signed a stamp which holds."""
    from cryptography.x509 import load_der_x509_certificate

    [signer] = found.signed_data.signer_infos
    for one in map(load_der_x509_certificate, found.signed_data.certificates):
        if one.issuer == signer.issuer and one.serial_number == signer.serial_number:
            return clean(one.subject.rfc4514_string(), 120)
    return "an authority without a name"


def _certificates(path: Path) -> "list[Certificate]":
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(contents(path, LARGEST))
    except (OSError, ValueError) as error:
        raise TimeStampError(
            f"{str(path)!r} holds no certificate in PEM form: {first_line(error)}"
        ) from error


def _client() -> Any:
    try:
        return import_module("rfc3161_client")
    except ModuleNotFoundError as error:
        raise MissingRuntimeError(
            "time stamps need the package rfc3161-client: pip install 'model-auditkit[timestamps]'"
        ) from error
