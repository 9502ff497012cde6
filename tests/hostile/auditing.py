"""Audits of hostile suspects: what came of each, how long it took, and what it left behind."""

import time
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from auditkit import api
from auditkit.core.requests import Asking, Limits, Options
from auditkit.core.verdicts import Decision, Outcome, Refusal, Verdict
from auditkit.files.bundle import Bundle
from tests.conftest import COPY, linear_onnx
from tests.hostile.base import Family, Hostile
from tests.hostile.torch_files import MARK

SECONDS, MEMORY = 5.0, 3 << 29
GRACE = 2.0
"""Seconds beyond its limit that nobody may take."""
BESIDE = ("secret", "link")
"""Files that external weights point at."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one suspect."""

    suspect: Hostile
    outcome: Outcome
    seconds: float

    @property
    def told(self) -> str:
        """The verdict, or the code of the refusal."""
        if isinstance(self.outcome, Refusal):
            return f"refused: {self.outcome.code}"
        return str(self.outcome.decision)

    @property
    def is_right(self) -> bool:
        """Whether it was refused in one plain line, or got no verdict that it must not get."""
        if isinstance(self.outcome, Refusal):
            return self.outcome.reason.isprintable()
        return self.suspect.honest or self.outcome.decision is Decision.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Harm:
    """What a family did besides."""

    left: tuple[str, ...]
    """Files that somebody made."""
    good: Outcome
    """What came of an honest copy that was audited last."""

    @property
    def is_none(self) -> bool:
        """Whether nothing was made and the honest copy was judged."""
        good = self.good
        return not self.left and isinstance(good, Verdict) and good.decision is Decision.PIRATED


def audited(bundle: Bundle, folder: Path, family: Family) -> tuple[list[Result], Harm]:
    """Write a family's suspects into an empty folder and audit one after the other."""
    Path(MARK).unlink(missing_ok=True)
    suspects = list(family())
    results = [_result(bundle, folder, one) for one in suspects]
    good = linear_onnx(folder / "good.onnx", weights=COPY)
    [last] = api.audit(bundle, [str(good)])
    known = {*(one.name for one in suspects), "good.onnx", "__pycache__", *BESIDE}
    made = [one.name for one in folder.iterdir() if one.name not in known]
    return results, Harm((*made, *([MARK] if Path(MARK).exists() else [])), last.outcome)


def _result(bundle: Bundle, folder: Path, suspect: Hostile) -> Result:
    path = folder / suspect.name
    suspect.write(path)
    asking = Asking(options=Options("cpu", limits=Limits(SECONDS, MEMORY)))
    name = f"python:{path.stem}:ask" if path.suffix == ".py" else str(path)
    started = time.monotonic()
    with chdir(folder):
        [found] = api.audit(bundle, [name], asking)
    return Result(suspect, found.outcome, time.monotonic() - started)


def slow(results: list[Result]) -> Iterator[str]:
    """Yield the names of suspects that took longer than they may."""
    return (one.suspect.name for one in results if one.seconds > SECONDS + GRACE)
