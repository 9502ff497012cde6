"""Commit before you accuse: keygen, sign and verify, and what other commands ask of signatures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditkit.commands.console import errors, tell
from auditkit.commands.options import StampAuthorities
from auditkit.commands.output import check_named
from auditkit.core.errors import SignatureError, SigningKeyError
from auditkit.core.escape import clean
from auditkit.core.reading import contents

if TYPE_CHECKING:
    from auditkit.core.commitment import Commitment
    from auditkit.files.bundle import Bundle
    from auditkit.files.signing.keys import PublicKey, Signer


def keygen(
    key: Annotated[
        Path,
        typer.Argument(
            metavar="KEY", help="Where the private key is written; KEY.pub is the public one."
        ),
    ],
) -> None:
    """Make a pair of keys to sign with.

    The private key is for your eyes alone. Publish the public one, or its fingerprint, before there
    is a dispute. Neither file is ever overwritten.
    """
    from auditkit.files.signing import keys

    with errors():
        check_named(key, "KEY")
        made = keys.make(key)
    typer.echo(f"{key}: the private key; keep it secret, and keep a copy of it")
    typer.echo(f"{keys.public_path(key)}: the public key {made.fingerprint}")


def sign(
    file: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="The bundle, or an evidence file, to sign.")
    ],
    key: Annotated[
        Path | None,
        typer.Option(metavar="KEY", help="Your private key; not needed to attach a time stamp."),
    ] = None,
    timestamp_request: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT.tsq",
            help="Write a request for a time stamp (RFC 3161) of the signature to this file, to "
            "be sent to an authority.",
        ),
    ] = None,
    timestamp_reply: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="IN.tsr",
            help="An authority's reply to such a request, to be kept beside the signature; may be "
            "given several times.",
        ),
    ] = None,
) -> None:
    """Sign a bundle before you accuse with it.

    The signature is written beside the bundle, to BUNDLE.sig.
    """
    from auditkit.files.container import write_whole
    from auditkit.files.signing import keys, signed, stamps

    if key is None and not timestamp_reply and timestamp_request is None:
        raise typer.BadParameter("give the private key to sign with: --key KEY")
    beside = signed.envelope_path(file)
    with errors():
        if key is not None:
            signer = keys.private(key)
            signed.sign(file, signer)
            tell(f"{beside}: signed by {signer.public.fingerprint}")
        # What is stamped is looked at first: a stamp of a broken signature is worth nothing.
        signed.verified(file)
        if timestamp_request is not None:
            write_whole(timestamp_request, stamps.request(beside.read_bytes()))
            tell(
                f"{timestamp_request}: send it to a time-stamping authority, then: "
                f"auditkit sign {file} --timestamp-reply REPLY.tsr"
            )
        for path in timestamp_reply or []:
            tell(f"{signed.attach(file, _read(path))}: the time stamp of {path}")


def _read(path: Path) -> bytes:
    from auditkit.files.signing import envelope

    try:
        return contents(path, envelope.LARGEST)
    except OSError as error:
        raise SignatureError(f"{str(path)!r} can't be read: {error.strerror or error}") from error


def verify(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A bundle, an evidence file or a report with its signature FILE.sig beside it, "
            "that signature, or a journal.",
        ),
    ],
    public: Annotated[
        Path, typer.Option(metavar="KEY.pub", help="The public key of whoever is to have signed.")
    ],
    authority: StampAuthorities = None,
) -> None:
    """Check who signed a file, and that nothing in it was changed since."""
    from auditkit.files import journal
    from auditkit.files.signing import keys, signed

    with errors():
        key = keys.public(public)
        if journal.is_journal(file):
            lines = _journal(file, key)
        else:
            # The signature itself may be named, as tools complete names.
            path = file.with_suffix("") if file.suffix == signed.SUFFIX else file
            found = signed.commitment(path, key, authority or ())
            lines = [f"{path} is signed by {found.key}, and as it was then", found.stamped()]
        for line in lines:
            typer.echo(clean(line, 400))


def _journal(file: Path, key: "PublicKey") -> list[str]:
    """Describe a journal that is sealed by this key.

    Raises:
        JournalError: It was changed.
        SignatureError: It is not sealed, or by another key.
    """
    from auditkit.files import journal

    seal = journal.seal_of(file)
    if seal is None or seal.key != key:
        got = "is not sealed" if seal is None else f"is sealed by {seal.key.fingerprint}"
        raise SignatureError(f"{str(file)!r} {got}, wanted {key.fingerprint}")
    return [f"{file} is sealed by {seal.key.fingerprint}", f"{seal.entries} entries, {seal.head}"]


def opened(
    bundle_path: Path, public: Path | None, authorities: list[Path] | None
) -> "tuple[Bundle, Commitment]":
    """Read a bundle, and check its signature before anybody is asked.

    Raises:
        SignatureError: A signature that does not hold, or none by the key that is given.
        BundleError: It is no bundle, or damaged.
    """
    from auditkit.files import bundle
    from auditkit.files.signing import keys, signed

    key = None if public is None else keys.public(public)
    return bundle.read(bundle_path), signed.commitment(bundle_path, key, authorities or ())


def signer(
    key: Path | None, evidence: Path | None, output: list[Path] | None, journal: Path | None
) -> "Signer | None":
    """Return the private key of --key, before anybody is asked.

    Raises:
        SigningKeyError: There is nothing for it to sign, or the file is no key.
    """
    from auditkit.files.signing import keys

    if key is None:
        return None
    if evidence is None and not output and journal is None:
        raise SigningKeyError("--key signs evidence, report or journal: name --evidence FOLDER")
    return keys.private(key)
