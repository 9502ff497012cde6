"""The envelope beside a file: MODEL.fp is signed by MODEL.fp.sig.

Beside and not inside: a signature within the file would have to leave itself out of what it signs,
and every reader of bundles would have to know how; the file stays as it was, and any tool that
knows DSSE reads the envelope.
"""

from collections.abc import Sequence
from pathlib import Path

from auditkit.core.commitment import Commitment
from auditkit.core.errors import SignatureError, TimeStampError
from auditkit.core.escape import first_line
from auditkit.core.reading import contents
from auditkit.files.container import write_whole
from auditkit.files.signing import envelope, stamps, statement
from auditkit.files.signing.envelope import Opened
from auditkit.files.signing.keys import PublicKey, Signer
from auditkit.files.temporary import usual_mode, write_new

SUFFIX = ".sig"
MOST_STAMPS = 9


def envelope_path(path: Path) -> Path:
    """Return where the envelope of a file lies."""
    return path.with_name(path.name + SUFFIX)


def stamp_paths(path: Path) -> list[Path]:
    """Return where the time stamps of a file's envelope may lie."""
    return [path.with_name(f"{path.name}{SUFFIX}.{n}.tsr") for n in range(1, MOST_STAMPS + 1)]


def sign(path: Path, signer: Signer) -> bytes:
    """Sign a bundle or an evidence file; returns the envelope, which lies beside it then.

    Raises:
        SignatureError: It is signed already, by another key or before it was changed.
        BundleError, EvidenceError: It is neither, damaged, or the envelope can't be written.
    """
    return _written(path, envelope.sealed(statement.of(path), signer))


def sign_report(path: Path, signer: Signer) -> bytes:
    """Sign a report; an envelope of an older report at its place is replaced, as the report was."""
    made = envelope.sealed(statement.of_report(path), signer)
    write_whole(envelope_path(path), made)
    return made


def _written(path: Path, made: bytes) -> bytes:
    beside = envelope_path(path)
    # Time stamps are of the envelope's bytes: another envelope in its place would cost them.
    if not _kept(beside, made):
        raise SignatureError(
            f"{str(beside)!r} is there already, by another key or of other contents; move it away "
            "with its time stamps, then sign again"
        )
    return made


def _kept(path: Path, data: bytes) -> bool:
    """Write a file where there is none; return whether it holds these bytes then.

    Looking first and writing then would lose what another command writes in between.
    """
    try:
        write_new(path, data, usual_mode())
    except FileExistsError:
        return _bytes(path) == data
    except (OSError, ValueError) as error:
        raise SignatureError(f"{str(path)!r} can't be written: {first_line(error)}") from error
    return True


def attach(path: Path, reply: bytes) -> Path:
    """Put a time stamp of a file's envelope beside it; returns where.

    Raises:
        SignatureError: The file is not signed.
        TimeStampError: The reply is none, is a refusal, or stamps something else.
    """
    signed, places = _bytes(envelope_path(path)), stamp_paths(path)
    stamps.check_fits(reply, signed)
    found = next((place for place in places if _kept(place, reply)), None)
    if found is None:
        raise TimeStampError(f"{str(path)!r} has {MOST_STAMPS} time stamps already")
    return found


def verified(path: Path, public: PublicKey | None = None) -> Opened:
    """Check the envelope beside a file, then whether it is about this file.

    Raises:
        SignatureError: The file is not signed, by another key, or was changed since.
        BundleError, EvidenceError: The file is damaged.
    """
    beside = envelope_path(path)
    try:
        found = envelope.opened(_bytes(beside), public)
        statement.check(found.payload, path)
    except SignatureError as error:
        raise SignatureError(f"{str(beside)!r}: {error}") from error
    return found


def commitment(
    path: Path, public: PublicKey | None = None, authorities: Sequence[Path] = ()
) -> Commitment:
    """Return who stands behind a file, and since when it exists.

    Args:
        path: The file.
        public: The only key that is believed; None: any, and an unsigned file passes too.
        authorities: Certificates, in PEM form, of those whose time stamps are believed.

    Raises:
        SignatureError: A signature that does not hold, or none where a key is given.
        TimeStampError: A time stamp that does not hold.
        BundleError, EvidenceError: The file is damaged.
    """
    beside = envelope_path(path)
    if not beside.exists():
        if public is not None:
            raise SignatureError(
                f"{str(path)!r} is not signed: wanted {str(beside)!r}, signed by "
                f"{public.fingerprint}"
            )
        return Commitment()
    key = verified(path, public).key
    replies = [place for place in stamp_paths(path) if place.exists()]
    if not authorities or not replies:
        return Commitment(key.fingerprint, public is not None, unchecked=len(replies))
    found = [_stamp(place, _bytes(beside), authorities) for place in replies]
    first = min(found, key=lambda stamp: stamp.at)
    return Commitment(key.fingerprint, public is not None, first.at, first.authority)


def _stamp(place: Path, signed: bytes, authorities: Sequence[Path]) -> stamps.Stamp:
    try:
        return stamps.verified(_bytes(place), signed, authorities)
    except TimeStampError as error:
        raise TimeStampError(f"{str(place)!r}: {error}") from error


def _bytes(path: Path) -> bytes:
    try:
        return contents(path, envelope.LARGEST)
    except FileNotFoundError as error:
        raise SignatureError(
            f"no such file: {str(path)!r}; sign with: auditkit sign FILE --key KEY"
        ) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or first_line(error)
        raise SignatureError(f"{str(path)!r} can't be read: {why}") from error
