"""What a bundle says of models that are known to have nothing to do with its owner.

A bundle whose points anybody shares accuses everybody, however well its hashes fit. Whoever judges
has models of their own, which the bundle's maker could not choose.
"""

from dataclasses import dataclass

from auditkit.core.verdicts import Decision, Outcome, Verdict

SURENESS = 0.95


@dataclass(frozen=True, slots=True)
class Screening:
    """Verdicts on a judge's own independent models."""

    heard: int
    """Models that got a verdict."""
    accused: tuple[str, ...]
    """Names of those that were called pirated."""

    @property
    def bound(self) -> float:
        """The largest share of such models that may be accused, 0..1, with 95 % confidence.

        It is 1 if nobody was heard or anybody accused (Hanley, Lippman-Hand, JAMA 1983).
        """
        if not self.heard or self.accused:
            return 1.0
        return float(1 - (1 - SURENESS) ** (1 / self.heard))

    def told(self) -> str:
        """Return one sentence: what the screening shows."""
        if self.accused:
            return (
                f"{len(self.accused)} of {self.heard} independent models are accused: this bundle "
                "accuses innocents, and no verdict that it gives can be used"
            )
        if not self.heard:
            return "no independent model could be asked, so nothing was shown"
        return (
            f"none of {self.heard} independent models is accused; at {SURENESS:.0%} confidence "
            f"fewer than {self.bound:.0%} of such models would be"
        )


def screened(outcomes: list[Outcome]) -> Screening:
    """Count the verdicts; models that were refused are not counted as heard."""
    verdicts = [outcome for outcome in outcomes if isinstance(outcome, Verdict)]
    accused = [one.suspect.name for one in verdicts if one.decision is Decision.PIRATED]
    return Screening(len(verdicts), tuple(accused))
