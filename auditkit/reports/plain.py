"""One fixed page in plain words, for lawyers and others who must rely on a verdict.

Nothing but fixed sentences and numbers of the report, so that two reports can be laid side by side
and whatever differs was measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from auditkit.core.escape import clean
from auditkit.reports.base import BundleSummary, Report
from auditkit.reports.cases import Case, cases

MOST_NAMES = 5
"""Most suspects that a page names; of more it gives the number of the others."""


@dataclass(frozen=True, slots=True)
class Part:
    """A question and what there is to say to it."""

    question: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says of all suspects with one kind of outcome."""

    title: str
    names: str
    """The suspects that the page holds for."""
    parts: tuple[Part, ...]


PIRATED_SAYS = (
    "The verdict says that the suspect resembles the owner's model in a way that is expected of "
    "copies of it: fine-tuned, pruned, quantised, or with some layers retrained.",
    "It does not say who copied, when, by which way, or whether there was a licence.",
    "It says nothing about training data, and two models may be alike because one public model was "
    "the start of both; twins account for that, fixed thresholds do not.",
)
HOMOLOGOUS_SAYS = (
    "The verdict says that the suspect does not resemble the owner's model as copies of certain "
    "kinds do. The word homologous means independently trained here.",
    "It holds against the kinds of copies that the report names as excluded, and no others.",
    "It does not say that the suspect's training data were its own.",
)
INCONCLUSIVE_SAYS = (
    "The verdict says that the answers support neither claim: that the suspect is a copy, or that "
    "it was made without the owner's model.",
    "It is neither an accusation nor an acquittal, and must be used as neither.",
)
REFUSED_SAYS = (
    "There is no verdict: the suspect was not examined to the end, for the reason that the report "
    "gives.",
    "It is neither accused nor cleared.",
)
SAYS = {
    "pirated": PIRATED_SAYS,
    "homologous": HOMOLOGOUS_SAYS,
    "inconclusive": INCONCLUSIVE_SAYS,
    "refused": REFUSED_SAYS,
}
ASSUMPTIONS = (
    "This rests on the twins: that they were made as the owner's model was, that the owner's model "
    "was not picked among them, and that the suspect's maker did not use the owner's random "
    "numbers."
)
UNKNOWN = (
    "How often such a verdict is wrong is not known. Its thresholds were measured on models of "
    "other owners, and no number in the report may be read as an error rate."
)
ASK = {
    "pirated": (
        "Who made the bundle, when, and was it signed and time-stamped before the dispute?",
        "How many bundles, twins and suspects were tried before these?",
        "Who trained the twins, and can somebody else train them again?",
        "Where does the suspect come from, and who gave its file or address to the examiner?",
        "Was there a licence, or a common public ancestor?",
    ),
    "homologous": (
        "Which kinds of copies are alleged, and are they among those excluded?",
        "Was the examined file or address the one in dispute (compare the digest)?",
        "Could the suspect know that it was being asked?",
    ),
    "inconclusive": (
        "Can the suspect's file, or more detailed answers, be had?",
        "Were twins of the owner's model trained; if not, why?",
        "Could the suspect know that it was being asked?",
    ),
    "refused": (
        "Can what the reason names be mended, so that the suspect is examined?",
        "Was the examined file or address the one in dispute?",
    ),
}


def pages(report: Report) -> Iterator[Page]:
    """Yield one page for each kind of outcome in the report, with and without an error rate."""
    groups: dict[tuple[str, bool], list[Case]] = {}
    for case in cases(report):
        calibrated = case.verdict is not None and case.verdict.calibrated
        groups.setdefault((case.kind, calibrated), []).append(case)
    for (kind, calibrated), members in groups.items():
        wrong = tuple(_wrong(report.bundle, kind, calibrated=calibrated))
        yield Page(
            title=f"In plain words: {members[0].words.name}",
            names=_names(members),
            parts=(
                Part("What was compared?", tuple(_compared(report.bundle, kind))),
                Part("What does the outcome say, and what not?", SAYS[kind]),
                Part("How often is it wrong?", wrong),
                Part("What to ask next?", ASK[kind]),
            ),
        )


def _names(members: list[Case]) -> str:
    named = ", ".join(clean(case.name, 80) for case in members[:MOST_NAMES])
    more = len(members) - MOST_NAMES
    return f"{named} and {more} more" if more > 0 else named


def _compared(bundle: BundleSummary, kind: str) -> Iterator[str]:
    if kind == "refused":
        yield "Nothing was compared to the end; the report says what was missing."
        return
    asked = sum(bundle.points.values())
    yield (
        f"The suspect's answers to up to {asked} inputs were compared with those of the owner's "
        "model. Most of these inputs were made so that the owner's model and copies of it answer "
        "them in one way, and other models in another."
    )
    if bundle.line_up.twins:
        yield (
            f"They were also compared with {bundle.line_up.twins} twins: models that were made by "
            "the owner's recipe with other random numbers."
        )
    yield "Names prove nothing; the digests in the report say which files were compared."


def _wrong(bundle: BundleSummary, kind: str, *, calibrated: bool) -> Iterator[str]:
    if kind == "refused":
        yield "The question does not arise, since there is no verdict."
        return
    if not calibrated:
        yield UNKNOWN
        return
    twins, level = bundle.line_up.twins, bundle.line_up.level
    yield (
        f"The rule accuses at most one in {round(1 / level):,} suspects that were made without the "
        "owner's model, if likenesses are normally distributed. That is an approximation."
    )
    yield (
        "Without it, what is exact is this: by chance alone the owner's model comes first in one "
        f"of {twins + 1} cases."
    )
    if kind != "pirated":
        yield (
            "How many copies are overlooked is no single rate: it depends on the kind of copy, and "
            "the report names the kinds that would have been found."
        )
    yield "The number is not the chance that the suspect was made without the owner's model."
    yield ASSUMPTIONS
