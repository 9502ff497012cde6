"""The fingerprint bundle (.fp): the file that an owner hands to an auditor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from auditkit.core.errors import BundleFormatError
from auditkit.core.escape import clean, first_line
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import Reference
from auditkit.core.provenance import canonical
from auditkit.files import container, manifest
from auditkit.files.meaning import check_meaning

VERSION = 2


@dataclass(frozen=True, eq=False, repr=False)
class Bundle:
    """A fingerprint, and the answers of models of known kind to its points.

    Bundles of one digest are equal: what is learnt from a bundle is kept by its digest, also where
    another process has read it anew.
    """

    fingerprint: Fingerprint
    references: tuple[Reference, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = "1970-01-01T00:00:00Z"  # ISO 8601, UTC

    @cached_property
    def digest(self) -> str:
        """`sha256:…` of everything but the tools' versions."""
        return container.digest(container.described(_packed(self)))

    def save(self, path: Path | str) -> None:
        """Write the bundle to a file, whole or not at all; `auditkit.load` reads it.

        Raises:
            BundleError: The place can't be written.
        """
        write(self, Path(path))

    def __repr__(self) -> str:
        made = self.fingerprint
        counts = ", ".join(f"{count} {name}" for name, count in made.sheet.counts().items())
        return f"<bundle of {clean(made.owner.name)}: {counts} points; {made.discrimination}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bundle) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def write(bundle: Bundle, path: Path | str) -> None:
    """Write the bundle, whole or not at all; the same contents give the same bytes.

    Raises:
        BundleError: The place can't be written.
        BundleFormatError: The bundle can't mean anything, so that nobody could read it.
    """
    check_meaning(bundle.fingerprint, bundle.references, bundle.created)
    container.write(Path(path), _packed(bundle))


def read(path: Path | str) -> Bundle:
    """Read a bundle, check every byte of it, and refuse what no maker of bundles writes.

    Raises:
        BundleError: It is one of an earlier version.
        BundleFormatError: Not a bundle, one of a later version, or one that can't mean anything.
        BundleIntegrityError: It was changed after it was written.
    """
    contents = container.read(Path(path), "bundle", VERSION)
    # A manifest that matches its hashes may still be nonsense: anyone can write one.
    try:
        read = manifest.unpacked(contents.manifest, contents.tensors)
        found = Bundle(*read)
        check_meaning(found.fingerprint, found.references, found.created)
        _check_complete(found, contents)
    except BundleFormatError as error:
        raise BundleFormatError(f"{str(path)!r} is no valid bundle: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise BundleFormatError(f"{str(path)!r} is no valid bundle: {first_line(error)}") from error
    return found


def _check_complete(found: Bundle, contents: container.Contents) -> None:
    """Refuse a file that holds more than was read from it, which nobody would ever look at.

    Raises:
        BundleFormatError: There are other keys, other tensors, or values written in another way.
    """
    packed = _packed(found)
    more = sorted(set(contents.tensors).difference(packed.tensors))
    if more:
        raise BundleFormatError(f"nothing refers to its tensor {more[0][:80]!r}")
    body = {key: value for key, value in contents.manifest.items() if key != "seal"}
    again = container.described(packed)
    odd = [key for key in body if key not in again or canonical(body[key]) != canonical(again[key])]
    if odd:
        raise BundleFormatError(f"its entry {min(odd)[:80]!r} holds what a bundle does not hold")


def _packed(bundle: Bundle) -> container.Packed:
    made = manifest.packed(bundle.fingerprint, bundle.references)
    facts = {
        "format": f"auditkit.bundle/{VERSION}",
        **made.manifest,
        "versions": dict(bundle.versions),
        "created": bundle.created,
    }
    return container.Packed(facts, made.tensors)
