"""Bundles with fewer points, to compare methods at equal numbers of queries."""

from dataclasses import replace

from auditkit.core.points import Cut
from auditkit.files.bundle import Bundle


def shortened(bundle: Bundle, short: Cut) -> Bundle:
    """The bundle with only the points of `short`; models in it keep their answers to these."""
    references = tuple(
        replace(reference, answers=reference.answers.at(short.rows))
        for reference in bundle.references
    )
    made = replace(bundle.fingerprint, sheet=short.sheet)
    return replace(bundle, fingerprint=made, references=references)
