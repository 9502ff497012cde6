"""What a bundle can't mean: claims that contradict each other, or that no maker of bundles writes.

Whoever writes a bundle can make its hashes fit. These checks take from such a person everything
that the bundle itself can disprove; what only the owner's model can disprove is `auditkit
regenerate`'s work, and what only independent models can disprove is `auditkit screen`'s.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np

from auditkit.core.errors import BundleFormatError
from auditkit.core.fingerprint import HIGHEST_LEVEL, VETO, Discrimination, Fingerprint
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.points import CORE, FAMILIES, FEWEST, point_digest
from auditkit.files.container import take

LONGEST_NAME = 200
LONGEST_TEXT = 2000
"""Characters of what a report prints in a line, and in a sentence."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""What a plug-in is called."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TIME = "%Y-%m-%dT%H:%M:%SZ"
SLACK = timedelta(days=1)
"""How far the clocks of maker and reader may lie apart."""


def check_meaning(made: Fingerprint, references: tuple[Reference, ...], created: str) -> None:
    """Refuse a bundle that can't mean what it says.

    Args:
        made: Its fingerprint.
        references: Its known models, with their answers to the fingerprint's points.
        created: When it was made, as it says.

    Raises:
        BundleFormatError: It can't; the message says why.
    """
    _check_names(made, references)
    _check_texts(made, references)
    _check_points(made)
    _check_terms(made, references)
    _check_references(made, references)
    _check_copies(references)
    _check_siblings(made, references)
    _check_discrimination(made, references)
    _check_time(created)


def _check_names(made: Fingerprint, references: tuple[Reference, ...]) -> None:
    for name in (made.method, made.lead, *made.identifications):
        if not NAME.fullmatch(name):
            raise BundleFormatError(f"{name[:80]!r} is no name of a method or an identification")
    _refuse_doubles("identification", made.identifications)
    for digest in (made.owner.digest, *(reference.digest for reference in references)):
        if not DIGEST.fullmatch(digest):
            raise BundleFormatError(f"{digest[:80]!r} is no digest of a model")


def _check_texts(made: Fingerprint, references: tuple[Reference, ...]) -> None:
    for name in (made.owner.name, *(reference.name for reference in references)):
        if not 0 < len(name) <= LONGEST_NAME:
            raise BundleFormatError(
                f"a model's name has {len(name)} characters, wanted 1 to {LONGEST_NAME}"
            )
    for text in (*made.transports, made.reason, made.siblings.reason, made.line_up.doubt):
        if len(text) > LONGEST_TEXT:
            raise BundleFormatError(
                f"a reason has {len(text)} characters, at most {LONGEST_TEXT} are read"
            )


def _check_points(made: Fingerprint) -> None:
    odd = sorted(set(made.sheet.names).difference(FAMILIES))
    if odd:
        raise BundleFormatError(f"there are no points called {odd[0][:80]!r}")
    core = made.sheet.of_family(CORE).points
    different = len({point_digest(point) for point in core})
    # With fewer, one answer moves the share of equal labels by more than 5 %; one point that
    # everybody agrees on would be enough to accuse anybody.
    if different < FEWEST:
        raise BundleFormatError(
            f"{different} different core points are there, at least {FEWEST} are wanted"
        )
    if different < len(core):
        raise BundleFormatError(f"{len(core) - different} core points are there more than once")


def _check_terms(made: Fingerprint, references: tuple[Reference, ...]) -> None:
    twins = sum(reference.kind is ReferenceKind.TWIN for reference in references)
    if twins != made.line_up.twins:
        raise BundleFormatError(f"a line-up of {made.line_up.twins} twins, but {twins} are kept")
    if not 0 < made.line_up.level <= HIGHEST_LEVEL:
        raise BundleFormatError(
            f"the line-up's level is {made.line_up.level:g}, at most {HIGHEST_LEVEL:g} is possible"
        )


def _check_references(made: Fingerprint, references: tuple[Reference, ...]) -> None:
    _refuse_doubles("known model", (reference.digest for reference in references))
    _refuse_doubles("known model", (reference.name for reference in references))
    own = [reference.name for reference in references if reference.digest == made.owner.digest]
    if own:
        raise BundleFormatError(f"the owner's own file plays {own[0][:80]!r}")


def _check_copies(references: tuple[Reference, ...]) -> None:
    """Refuse measured copies of which no kind, or no likeness to each member, is told."""
    twins = [known for known in references if known.kind is ReferenceKind.TWIN]
    members = 1 + sum(twin.weights is not None for twin in twins)
    for known in references:
        if known.kind is not ReferenceKind.MEASURED_COPY:
            continue
        if not 0 < len(take(known.recipe, "how", str)) <= LONGEST_NAME:
            raise BundleFormatError(f"{known.name[:80]!r} does not say how it was copied")
        weights = take(known.recipe, "weights", list) if "weights" in known.recipe else []
        alike = [take({"weights": one}, "weights", float) for one in weights]
        if len(alike) not in (0, members) or not np.isfinite(alike).all():
            raise BundleFormatError(
                f"the weights of {known.name[:80]!r} are not compared with those of the owner and "
                f"{members - 1} twins"
            )


def _check_siblings(made: Fingerprint, references: tuple[Reference, ...]) -> None:
    found = sorted(
        round(_share(made, known), 4) for known in references if known.kind is ReferenceKind.SIBLING
    )
    said = sorted(made.siblings.shares)
    if len(said) != len(found) or not np.allclose(said, found, atol=1e-3):
        raise BundleFormatError(
            f"it says that siblings share {said} of the core points, their answers say {found}"
        )


def _check_discrimination(made: Fingerprint, references: tuple[Reference, ...]) -> None:
    """Refuse points that are said to be the owner's own though its known models share them."""
    discriminating = made.discrimination is Discrimination.DISCRIMINATING
    if not discriminating or made.lead != "label_similarity":
        return
    for known in references:
        share = 0.0 if known.kind.is_derived else _share(made, known)
        # Ties between scores may fall otherwise on another machine, which turns a point at most.
        if share > VETO + 1 / FEWEST:
            raise BundleFormatError(
                f"it says that only copies share its core points, but {known.name[:80]!r}, which "
                f"is none, shares {share:.0%}"
            )


def _share(made: Fingerprint, known: Reference) -> float:
    core = made.sheet.rows(CORE)
    return float((known.answers.labels == made.sheet.labels)[core].mean())


def _check_time(created: str) -> None:
    try:
        moment = datetime.strptime(created, TIME).replace(tzinfo=UTC)
    except ValueError as error:
        raise BundleFormatError(f"{created[:80]!r} is no time like 2026-01-31T12:00:00Z") from error
    if moment > datetime.now(UTC) + SLACK:
        raise BundleFormatError(f"it says that it was made in the future, {created}")


def _refuse_doubles(kind: str, names: Iterable[str]) -> None:
    [(name, times)] = Counter(names).most_common(1) or [("", 1)]
    if times > 1:
        raise BundleFormatError(f"the {kind} {name[:80]!r} is there {times} times")
