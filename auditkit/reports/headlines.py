"""The name, colour, meaning and limit of each kind of outcome in the report for people."""

from dataclasses import dataclass

from auditkit.core.verdicts import Decision, Outcome, Refusal


@dataclass(frozen=True, slots=True)
class Words:
    """How one kind of outcome is shown to people."""

    name: str
    """The verdict. The homologous one is called what it means, because the word suggests the
    opposite; programs read the word itself."""
    style: str
    """The colour of the name, as rich calls it."""
    meaning: str
    """What the verdict means, shown below its name."""
    limit: str
    """What the verdict does not say, shown at the end of the report."""


WORDS = {
    Decision.PIRATED: Words(
        name="pirated",
        style="red",
        meaning="derived from the owner's model",
        limit="Pirated says nothing about who copied, when, or whether there was a licence.",
    ),
    Decision.HOMOLOGOUS: Words(
        name="independent (homologous)",
        style="green",
        meaning="no copy of the kinds that are excluded below",
        limit="Independent (homologous) speaks against the kinds of copies that are "
        "named as excluded, not against others.",
    ),
    Decision.INCONCLUSIVE: Words(
        name="inconclusive",
        style="yellow",
        meaning="neither claim is supported: that it is a copy, or that it is independent",
        limit="Inconclusive is neither an acquittal nor an accusation.",
    ),
}
# "Unlike a modified copy" and not "independent": distilled and extracted copies look like this too.
OPINIONS = {
    Decision.PIRATED: "like a copy",
    Decision.HOMOLOGOUS: "unlike a modified copy",
    Decision.INCONCLUSIVE: "undecided",
}
"""How an identification's opinion is shown: not in a verdict's words, since it is not a verdict."""
REFUSED = Words(
    name="refused (could not be audited)",
    style="magenta",
    meaning="no verdict: this suspect was not examined to the end",
    limit="Refused is no verdict: the suspect is neither cleared nor accused.",
)


def words_for(outcome: Outcome) -> Words:
    """Return how an outcome is shown."""
    return REFUSED if isinstance(outcome, Refusal) else WORDS[outcome.decision]
