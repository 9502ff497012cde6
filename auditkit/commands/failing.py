"""Which outcomes fail a run: `--fail-on` and `--baseline`, for machines that read exit codes."""

import enum
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from auditkit.commands.console import COULD_NOT_AUDIT, EXIT_CODES, worst
from auditkit.core.escape import clean
from auditkit.core.reading import contents
from auditkit.core.verdicts import Decision, Outcome, Verdict

if TYPE_CHECKING:
    from auditkit.core.arrays import JsonObject

REFUSED = "refused"
CODES = {REFUSED: COULD_NOT_AUDIT, **{str(one): EXIT_CODES[one] for one in Decision}}
"""Exit code by the word that stands for an outcome in reports and ledgers."""
REPORTS = "auditkit.report/"
LARGEST_BASELINE = 1 << 28
"""Largest JSON report that is read as a baseline, in bytes."""


class FailOn(enum.StrEnum):
    """The outcomes that can fail a run."""

    PIRATED = "pirated"
    INCONCLUSIVE = "inconclusive"
    REFUSED = REFUSED
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Known:
    """One outcome as a baseline knows it."""

    bundle: str
    """The bundle's digest."""
    suspect: str
    """The suspect's digest; its name where what answers can't be hashed."""
    verdict: str
    """`pirated`, `homologous`, `inconclusive` or `refused`."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What fails a run."""

    kinds: frozenset[str]
    """The outcomes that do."""
    accepted: frozenset[Known] | None = None
    """Those that were accepted before and don't; None: there is no baseline."""

    def exit_code(self, found: Iterable[Known]) -> int:
        """Return the exit code of the worst outcome that fails; 0 if none does.

        A run without any outcome could not audit.
        """
        known = list(found)
        accepted = self.accepted or frozenset()
        failing = [
            one.verdict for one in known if one.verdict in self.kinds and one not in accepted
        ]
        return worst([CODES[verdict] for verdict in failing] or [0]) if known else COULD_NOT_AUDIT


@dataclass(frozen=True, slots=True)
class Failing:
    """The options that say which outcomes fail a run."""

    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option(
            "--fail-on",
            help="Outcomes whose exit code ends the run; may be given several times. All others "
            "end it with 0, and so does every outcome after none. By default each has its code.",
        ),
    ] = None
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON report or ledger of an earlier run whose verdicts are accepted: what it "
            "holds does not fail again, new and changed verdicts do.",
        ),
    ] = None

    def gate(self) -> Gate:
        """Return what fails, before anybody is asked.

        Raises:
            typer.BadParameter: The options contradict each other, or the baseline is none.
            LedgerError: The baseline is a ledger that can't be used.
        """
        wanted = set(map(str, self.fail_on or CODES))
        if FailOn.NONE in wanted and len(wanted) > 1:
            raise typer.BadParameter("--fail-on none goes with no other outcome")
        accepted = None if self.baseline is None else frozenset(_accepted(self.baseline))
        return Gate(frozenset(wanted & CODES.keys()), accepted)


def of_outcomes(bundle: str, outcomes: Iterable[Outcome]) -> Iterator[Known]:
    """Yield the outcomes of one bundle, which is named by its digest."""
    for outcome in outcomes:
        if isinstance(outcome, Verdict):
            suspect = outcome.suspect
            yield Known(bundle, suspect.digest or suspect.name, str(outcome.decision))
        else:
            yield Known(bundle, outcome.suspect, REFUSED)


def of_report(report: "JsonObject") -> Iterator[Known]:
    """Yield the outcomes of a report as `check -f json` prints it."""
    for suspect in report["suspects"]:
        named = suspect["digest"] or suspect["suspect"]
        yield Known(str(report["bundle"]["digest"]), str(named), str(suspect["verdict"]))


def _accepted(path: Path) -> Iterator[Known]:
    from auditkit.fleet.ledger import Ledger, is_ledger

    try:
        if not is_ledger(path):
            report = json.loads(contents(path, LARGEST_BASELINE))
            if not str(report["schema"]).startswith(REPORTS):
                raise ValueError
            yield from of_report(report)
            return
    except OSError as error:
        why = error.strerror or "it can't be read"
        raise typer.BadParameter(f"--baseline {clean(str(path))!r}: {why}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise typer.BadParameter(
            f"--baseline wants a JSON report (check -f json) or a ledger, {clean(str(path))!r} is "
            "neither"
        ) from error
    with Ledger.open(path, read_only=True) as ledger:
        for pair in ledger.pairs():
            yield from of_report(ledger.verdict(pair))
