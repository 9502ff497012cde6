"""DSSE envelopes: bytes, their type, and signatures of both (github.com/secure-systems-lab/dsse).

The signature is checked first, and nothing of the signed text is parsed before it holds. Reading is
stricter than DSSE asks: what is not, byte for byte, as auditkit writes it is refused, since a
character that no signature covers would be a place for others to write in.
"""

import base64
import binascii
import json
from dataclasses import dataclass

from auditkit.core.arrays import Json
from auditkit.core.errors import SignatureError
from auditkit.core.provenance import canonical
from auditkit.files.signing.keys import PublicKey, Signer, named

IN_TOTO = "application/vnd.in-toto+json"
LARGEST = 1 << 22
MOST_SIGNATURES = 16


@dataclass(frozen=True, slots=True)
class Opened:
    """What was signed, and by whom."""

    payload: bytes
    key: PublicKey


@dataclass(frozen=True, slots=True)
class _Signature:
    keyid: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class _Envelope:
    kind: str
    payload: bytes
    signatures: tuple[_Signature, ...]


def pre_authentication(kind: str, payload: bytes) -> bytes:
    """Return the bytes that are signed: both lengths are in them, so neither can run on."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def sealed(payload: bytes, signer: Signer, kind: str = IN_TOTO) -> bytes:
    """Return an envelope around these bytes; the same bytes and key give the same envelope."""
    signature = signer.sign(pre_authentication(kind, payload))
    return canonical(
        {
            "payload": _text(payload),
            "payloadType": kind,
            "signatures": [{"keyid": signer.public.keyid, "sig": _text(signature)}],
        }
    )


def opened(data: bytes, public: PublicKey | None = None, kind: str = IN_TOTO) -> Opened:
    """Check an envelope and return what was signed.

    Of several signatures one must hold, as DSSE has it. Without a key that the reader knows, the
    key that the envelope names counts: then all that is known is that its holder signed.

    Args:
        data: The envelope.
        public: The only key that is believed; None: any that the envelope names.
        kind: Type that the payload must have.

    Raises:
        SignatureError: It is no envelope, or no signature in it holds.
    """
    found = _read(data)
    signed = pre_authentication(found.kind, found.payload)
    for one in found.signatures:
        key = public if public is not None and not one.keyid else named(one.keyid)
        if key is None or (public is not None and key != public):
            continue
        if key.made(one.signature, signed):
            if found.kind != kind:
                raise SignatureError(f"it signs {found.kind[:80]!r}, wanted {kind!r}")
            return Opened(found.payload, key)
    raise SignatureError(_why(found, public))


def _why(found: _Envelope, public: PublicKey | None) -> str:
    """Say why none of the signatures holds."""
    keys = [named(one.keyid) for one in found.signatures]
    known = [key for key in keys if key is not None]
    if public is not None and known and public not in known:
        others = ", ".join(key.fingerprint for key in known[:2])
        return f"it is signed by {others}, wanted {public.fingerprint}"
    if not known and any(one.keyid for one in found.signatures):
        return f"it is signed by a key that is not Ed25519: {found.signatures[0].keyid[:80]!r}"
    if not known and public is None:
        return "it does not say by which key it is signed; give the key with --public"
    return "its signature does not hold: it was changed after it was signed, or never signed"


def _read(data: bytes) -> _Envelope:
    stranger = SignatureError(
        "it is no envelope as auditkit writes it; make one with: auditkit sign"
    )
    if len(data) > LARGEST:
        raise SignatureError(f"it has {len(data)} bytes, more than the {LARGEST} that are read")
    try:
        whole = json.loads(data)
        if canonical(whole) != data or set(whole) != {"payload", "payloadType", "signatures"}:
            raise stranger
        if not 1 <= len(whole["signatures"]) <= MOST_SIGNATURES:
            raise stranger
        signatures = tuple(_signature(one) for one in whole["signatures"])
        kind = whole["payloadType"]
        kind.encode()  # a half of a pair of surrogates has no bytes that could be signed
        return _Envelope(kind, _raw(whole["payload"]), signatures)
    # A text of many brackets is a RecursionError, a lone surrogate a UnicodeError (a ValueError).
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise stranger from error


def _signature(record: Json) -> _Signature:
    # A key that is not named is the same as an empty name (DSSE).
    if not {"sig"} <= set(record) <= {"sig", "keyid"}:
        raise ValueError("other keys")
    keyid = record.get("keyid", "")
    if not isinstance(keyid, str):
        raise TypeError("a name is a text")
    return _Signature(keyid, _raw(record["sig"]))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _raw(text: str) -> bytes:
    """Decode base64 of which there is one way to write it."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
    if _text(data) != text:
        raise ValueError("another way to write the same bytes")
    return data
