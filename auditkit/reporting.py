"""Outcomes -> a report, on a stream or in a file."""

import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from auditkit.bundle import Bundle, now
from auditkit.container import write_whole
from auditkit.outcomes import Outcome
from auditkit.pipeline import versions
from auditkit.reports.base import BundleSummary, Renderer, Report


def report(bundle: Bundle, outcomes: Iterable[Outcome]) -> Report:
    """Everything a reader must know, gathered."""
    return Report(summary(bundle), tuple(outcomes), versions("numpy"), now())


def summary(bundle: Bundle) -> BundleSummary:
    """What a bundle is, in a few plain values."""
    made = bundle.fingerprint
    return BundleSummary(
        digest=bundle.digest,
        method=made.method,
        owner=made.owner.name,
        owner_digest=made.owner.digest,
        classes=made.owner.classes,
        points={name: len(family) for name, family in made.families.items()},
        discrimination=made.discrimination,
        reason=made.reason,
        references=Counter(reference.kind for reference in bundle.references),
        created=bundle.created,
    )


def write(render: Renderer, made: Report, path: Path) -> None:
    """Render into a file, whole or not at all.

    Raises:
        BundleError: The place can't be written.
    """
    text = io.StringIO()
    render(made, text)
    write_whole(path, text.getvalue().encode())
