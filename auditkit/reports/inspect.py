"""Describes a bundle, an evidence file or a journal in plain text (`auditkit inspect`)."""

import json
from pathlib import Path

from auditkit.core.errors import BundleFormatError
from auditkit.core.escape import clean
from auditkit.files import bundle, evidence, journal
from auditkit.files.bundle import Bundle
from auditkit.reports.build import summary


def describe(path: Path) -> str:
    """Return what a file holds, one fact per line, without control characters.

    Raises:
        BundleError, EvidenceError, JournalError: The file is none of the three, or it is damaged.
    """
    # The kind is read from the content, not from the name: files are often renamed.
    if journal.is_journal(path):
        return "\n".join(clean(line, 400) for line in journal.described(path))
    # Bundles and evidence are the same container with another format inside. The bundle's reader
    # names the format that it found, which tells evidence from a file that is neither.
    try:
        lines = _bundle_lines(bundle.read(path))
    except BundleFormatError as error:
        if "auditkit.evidence/" not in str(error):
            raise
        lines = evidence.described(path)
    # Every line is cleaned here, once, so that no new line can be forgotten.
    return "\n".join(clean(line, 400) for line in lines)


def _line_up(found: Bundle) -> str:
    terms = found.fingerprint.line_up
    return (
        f"{terms.twins} twins, level {terms.level:g}; {terms.doubt or 'the owner passes for one'}"
    )


def _bundle_lines(found: Bundle) -> list[str]:
    """Return one line per fact about a bundle, not yet cleaned."""
    made, facts = found.fingerprint, summary(found)
    points = ", ".join(f"{count} {name}" for name, count in facts.points.items())
    # Parameters hold what was measured, and among that the settings, which were chosen.
    measured = {key: value for key, value in made.parameters.items() if key != "settings"}
    return [
        f"bundle          {facts.digest}",
        f"made            {facts.created} with {json.dumps(dict(found.versions))}",
        f"owner           {facts.owner}, {facts.classes} classes, returns {made.owner.output}",
        f"owner digest    {facts.owner_digest}",
        f"input           shape {made.spec.shape}, from {min(made.spec.lower):g} "
        f"to {max(made.spec.upper):g}",
        f"method          {facts.method}, weighed by {made.lead}, seed {made.seed}",
        f"points          {points}",
        f"discrimination  {facts.discrimination}: {facts.reason}",
        *([f"line-up         {_line_up(found)}"] if made.line_up.twins else []),
        f"siblings        {made.siblings.told()}",
        *(f"on the way      {name} keeps {share:.0%}" for name, share in made.transports.items()),
        *(f"measured        {key}: {json.dumps(value)}" for key, value in measured.items()),
        *(f"known model     {r.kind}: {r.name} {r.digest}" for r in found.references),
    ]
