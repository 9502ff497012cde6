"""Bundles with fewer points: methods are compared query for query."""

from dataclasses import replace

from auditkit.core.points import Cut
from auditkit.files.bundle import Bundle


def shortened(bundle: Bundle, short: Cut) -> Bundle:
    """The same bundle with some of its points alone."""
    references = tuple(
        replace(reference, answers=reference.answers.at(short.rows))
        for reference in bundle.references
    )
    made = replace(bundle.fingerprint, sheet=short.sheet)
    return replace(bundle, fingerprint=made, references=references)
