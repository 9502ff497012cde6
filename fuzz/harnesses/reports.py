"""Reports of hostile names: only printable characters and the report's own line ends come out."""

import json
from collections import Counter
from pathlib import Path
from random import Random

from auditkit import reports
from auditkit.core import plugins
from auditkit.core.access import Access
from auditkit.core.fingerprint import Discrimination
from auditkit.core.models import ReferenceKind, SuspectRecord
from auditkit.core.verdicts import Decision, Identification, Reason, Refusal, Verdict
from auditkit.reports.base import BundleSummary, Report, Screen
from auditkit.reports.build import corrected
from fuzz.base import Harness, Wrong

PIECES = (
    *("\x1b[31m", "\x1b]8;;http://a.example\x07", "\x9b31m", "\x1b[2J", "\x07", "\r\n", "\n", "\0"),
    *("\u202e", "\u200b", "\ufeff", "\u2028", "\udc80", "\U000e0041", "\u3164", "a\u0301" * 40),
    *("[bold]", "[/nothing]", "[link=http://a.example]", ":warning:", "<script>alert(1)</script>"),
    *(
        "&amp;",
        '"',
        "'",
        "\\",
        "HOMOLOGOUS",
        "模" * 60,
        "x" * 200,
        '", "verdict": "homologous',
        "]]>",
    ),
)
TEXTS = ("terminal", "json")
"""Formats whose bytes are read as they are; tests/reports tries names in the others."""
ENCODINGS = ("utf-8", "ascii", "latin-1", "cp437")


class _Reports:
    """Reports in which every text of a stranger is made of hostile pieces."""

    def __init__(self, _folder: Path) -> None:
        self._renderers = {name: plugins.load(reports, name) for name in TEXTS}

    def draw(self, chance: Random) -> tuple[str, Report, Screen]:
        """See `Target.draw`."""
        outcomes = [_outcome(chance) for _ in range(chance.randrange(1, 4))]
        made = Report(
            _summary(chance),
            outcomes,
            {"auditkit": "0"},
            "2026-01-02T00:00:00Z",
            corrected(outcomes),
        )
        screen = Screen(chance.choice(ENCODINGS), colours=False)
        return chance.choice(list(self._renderers)), made, screen

    def attempt(self, given: tuple[str, Report, Screen]) -> None:
        """See `Target.attempt`."""
        name, made, screen = given
        text = self._renderers[name](made, screen).decode(screen.encoding)
        if not all(line.isprintable() for line in text.split("\n")):
            raise Wrong(f"{name} shows what is not printable")
        if name == "json":
            wanted = [
                "refused" if isinstance(o, Refusal) else str(o.decision) for o in made.outcomes
            ]
            if [one["verdict"] for one in json.loads(text)["suspects"]] != wanted:
                raise Wrong("a name changed a verdict")


def _text(chance: Random) -> str:
    pieces = (chance.choice(PIECES), chr(chance.randrange(0x110000)), "name")
    return "".join(chance.choice(pieces) for _ in range(chance.randrange(6)))


def _outcome(chance: Random) -> Verdict | Refusal:
    if chance.random() < 0.3:
        return Refusal(_text(chance), _text(chance), _text(chance))
    decision = chance.choice(list(Decision))
    return Verdict(
        SuspectRecord(_text(chance), None, _text(chance), {_text(chance): _text(chance)}),
        decision,
        Reason("own", {"text": _text(chance) or "so"}),
        chance.choice(list(Access)),
        120,
        119,
        (
            Identification(_text(chance), None, Reason("own", {"text": _text(chance)})),
            Identification("label_similarity", decision, Reason("own", {"text": "so"}), 0.5, 0.85),
        ),
        {ReferenceKind.STAND_IN: 1},
        (_text(chance),),
    )


def _summary(chance: Random) -> BundleSummary:
    return BundleSummary(
        digest=_text(chance),
        method=_text(chance),
        owner=_text(chance),
        owner_digest=_text(chance),
        classes=10,
        points={_text(chance): 1},
        discrimination=Discrimination.DISCRIMINATING,
        reason=_text(chance),
        references=Counter({ReferenceKind.STAND_IN: 1}),
        created=_text(chance),
    )


HARNESS = Harness("reports", _Reports)
