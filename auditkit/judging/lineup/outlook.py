"""Says what audits with a bundle can show, before any suspect is asked (`auditkit plan`)."""

from collections.abc import Iterator

from auditkit.core.access import Access
from auditkit.files.bundle import Bundle
from auditkit.judging.lineup.copies import powers


def outlook(bundle: Bundle, access: Access, suspects: int) -> Iterator[str]:
    """Yield lines on queries, twins, levels and the copies that are seen.

    Args:
        bundle: A bundle, with twins or without.
        access: How much the suspects are expected to reveal.
        suspects: How many suspects one report will cover.
    """
    made = bundle.fingerprint
    terms, sheet = made.line_up, made.sheet
    free = len(sheet) - sheet.questions
    more = f"; files {free} more" if free else ""
    yield f"queries     {sheet.questions} for each suspect, 5 of them twice{more}"
    if not terms.twins:
        yield "twins       none: verdicts carry no error rate; train some with auditkit twins"
        return
    yield f"twins       {terms.twins}: an innocent suspect puts the owner first in 1 of " + str(
        terms.twins + 1
    )
    yield f"accusing    {terms.doubt or f'so large a gap comes by chance in {terms.level:g}'}"
    if suspects > 1:
        chance = suspects * terms.level
        yield f"batch       {suspects} suspects: a gap comes by chance in {chance:g}"
    for name, file in (("an API", False), ("a file", True)):
        found = map(str, powers(bundle, access, file=file))
        yield f"power       copies seen behind {name} by {access}: {', '.join(found) or 'unknown'}"
