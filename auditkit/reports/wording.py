"""The sentence for each reason of a verdict or an opinion.

The rules give codes and facts (`core.verdicts.Reason`). What they mean in words is said here and
nowhere else, so that programs can group by code and the sentences can be translated.
"""

from collections.abc import Callable, Mapping

from auditkit.core.arrays import Json, JsonObject
from auditkit.core.verdicts import Reason, ReasonCode

Facts = Mapping[str, Json]
"""The facts of one reason; which keys there are depends on its code."""


def sentence(reason: Reason) -> str:
    """Return a reason in words.

    A plug-in may give a code of its own, with its sentence as the fact `text`; without one the code
    itself is returned.
    """
    # Looked up by text: old evidence and plug-ins may hold codes that this version does not know.
    words = SENTENCES.get(reason.code)
    if words is None:
        return str(reason.facts.get("text", reason.code))
    try:
        return words(reason.facts) if callable(words) else words
    except (KeyError, TypeError, ValueError):  # a plug-in took a built-in code without its facts
        return str(reason.facts.get("text", reason.code))


def _because(facts: Facts) -> str:
    """Return the sentence of the opinion that a verdict overrules or qualifies."""
    # Facts are JSON values, so that they can be stored; a reason within them is a plain object.
    inner: JsonObject = facts["because"]
    return sentence(Reason(inner["code"], inner["facts"]))


def _clustered(facts: Facts) -> str:
    """Return on which side of all three splits the suspect is."""
    pirated = facts["with"] == "pirated"
    side = "with the owner" if pirated else "with the twins"
    return f"all three clusterings put the suspect {side}"


def _chances(facts: Facts) -> str:
    """Return the owner's place among its twins, and how large the gap is."""
    return (
        f"p {facts['p']:.2g} exactly, among {facts['twins']} twins; so large a gap comes by chance "
        f"in {facts['p gap']:.1g} of innocent suspects, if likenesses are normally distributed"
    )


def _kinds(facts: Facts) -> str:
    """Return what an acquittal excludes, and what it does not."""
    told = f"excluded, since they would have been found: {', '.join(facts['excluded'])}"
    others = [*facts["unseen"], *facts["unmeasured"]]
    return f"{told}; not excluded: {', '.join(others)}" if others else told


def _no_answers(facts: Facts) -> str:
    """Return which points got no answer at all."""
    what = "none of the natural mistakes" if facts.get("family") == "mistake" else "no core point"
    return f"the suspect answered {what}"


CODE = ReasonCode
# JSON reports have these sentences, and frozen reports are compared with them byte for byte
# (tests/golden): a changed sentence changes the outputs of every old bundle.
SENTENCES: dict[str, str | Callable[[Facts], str]] = {
    # Verdicts by a line-up of the owner among its twins.
    CODE.FIRST_IN_LINE_UP: lambda f: (
        f"it resembles the owner more than every twin of it, by {f['gap']:.1f} deviations "
        f"({_chances(f)})"
    ),
    CODE.LIKE_A_TWIN: (
        "it resembles one of the owner's twins as only its copies do: that twin may have leaked, "
        "and the line-up can say nothing of the owner"
    ),
    CODE.NOT_OUTSTANDING: lambda f: (
        f"it resembles the owner more than every twin of it, but by no more than chance allows: "
        f"{f['gap']:.1f} deviations ({_chances(f)}; {f['level']:.1g} is the limit)"
    ),
    CODE.UNLIKE_COPIES: lambda f: (
        f"it resembles twins of the owner as much as the owner (p {f['p']:.2g}); {_kinds(f)}"
    ),
    CODE.COPIES_UNSEEN: lambda f: (
        f"it resembles twins of the owner as much as the owner (p {f['p']:.2g}), but so might "
        f"copies of most kinds: {', '.join(f['unseen']) or 'none were measured'}"
    ),
    CODE.FIRST_BY_ONE: lambda f: (
        f"it resembles twins of the owner as much as the owner (p {f['p']:.2g}), but by one of the "
        "measures the owner is first, as it may be for a copy behind an input filter"
    ),
    CODE.LABELS_ALONE: lambda f: (
        f"resembles its twins as much as the owner (the owner's place: p {f['p']:.2g}), as no copy "
        "would of the kinds that were measured; but an input filter changes a copy's labels on all "
        "points that tell, so labels alone clear nobody: ask for scores, or for the file"
    ),
    CODE.WEIGHTS_ALONE: (
        "its weights are unlike the owner's, but it holds no program that answers, and whoever "
        "hands over weights may run others: ask for the model, such as ONNX"
    ),
    # Verdicts by the bundle's thresholds.
    CODE.NO_SIGN_OF_A_COPY: lambda f: (
        f"no sign of a modified copy: {_because(f)}; a distilled or extracted copy can answer like "
        "this too, and only a line-up among twins can tell"
    ),
    CODE.SIBLINGS_NOT_TRIED: lambda f: (
        f"{_because(f)}; but no nets of the owner's own architecture were trained to see whether "
        f"innocents of its recipe share these points ({f['why']}); train twins (auditkit twins) "
        "and make the fingerprint anew with --twins, or from a factory with --samples"
    ),
    CODE.OPINIONS_CONTRADICT: lambda f: (
        f"the identifications contradict each other: {f['lead']} says {f['lead says']}, "
        f"{f['other']} says {f['other says']}"
    ),
    CODE.NOT_DISCRIMINATING: lambda f: f"the fingerprint is not discriminating: {f['measured']}",
    CODE.UNMEASURED: lambda f: f"the fingerprint is of unmeasured uniqueness: {f['measured']}",
    CODE.PARTLY_ASKED: lambda f: (
        f"only {f['asked']} of {f['points']} points were asked; thresholds count for all of them, "
        "less carries a verdict only with twins (auditkit fingerprint --twins)"
    ),
    # What keeps a suspect from any claim, or from being cleared.
    CODE.OTHER_CLASSES: lambda f: (
        f"label spaces differ: the suspect knows {f['suspect']} classes, the owner {f['owner']}; "
        "labels can't be compared"
    ),
    CODE.OTHER_LABELS: lambda f: (
        f"label spaces differ: the suspect answers class {f['label']}, the owner knows 0 to "
        f"{f['owner'] - 1}; labels can't be compared"
    ),
    CODE.FEW_ANSWERS: lambda f: (
        f"only {f['answered']} of {f['asked']} points were answered (at least "
        f"{f['least share']:.0%} are needed)"
    ),
    CODE.CONTROLS_FAILED: lambda f: (
        f"like neither: the suspect gives the owner's label on only {f['share']:.0%} of natural "
        "controls; another task, other preprocessing or class order, a broken model, or evasion"
    ),
    CODE.ROWS_UNBOUND: lambda _: (
        "unlike the owner, but only the order of the recorded rows tells which point each answers; "
        "record them with the 'index' or 'query' of auditkit queries"
    ),
    CODE.ANSWERS_CHANGE: lambda f: (
        f"evasion suspected: {f['changed']} of {f['repeated']} points that were asked twice got "
        "another answer; a suspect whose answers depend on chance, on their place in a batch or on "
        "what was asked before can't be cleared"
    ),
    # Opinions of identifications.
    CODE.SHARES_AS_COPIES: lambda f: (
        f"gives the owner's label on {f['share']:.0%} of core points, as modified copies do "
        f"({f['from']:.0%} or more)"
    ),
    CODE.SHARES_AS_INDEPENDENT: lambda f: (
        f"gives the owner's label on {f['share']:.0%} of core points, as independent models do "
        f"(below {f['below']:.0%})"
    ),
    CODE.SHARES_BETWEEN: lambda f: (
        f"gives the owner's label on {f['share']:.0%} of core points, between the threshold for "
        f"independent models ({f['below']:.0%}) and that for modified copies ({f['from']:.0%})"
    ),
    CODE.SCORES_AS_COPIES: lambda f: (
        f"scores on core points have a mean cosine of {f['cosine']:.2f} to the owner's, as "
        f"modified copies' are ({f['from']:.2f} or more)"
    ),
    CODE.SCORES_AS_INDEPENDENT: lambda f: (
        f"scores on core points have a mean cosine of {f['cosine']:.2f} to the owner's, as "
        f"independent models' are (below {f['below']:.2f})"
    ),
    CODE.SCORES_BETWEEN: lambda f: (
        f"scores on core points have a mean cosine of {f['cosine']:.2f} to the owner's, which "
        "copies and independent models both reach"
    ),
    CODE.CLUSTERED: _clustered,
    CODE.CLUSTERINGS_DISAGREE: "the three clusterings do not agree",
    CODE.MISTAKES_SHARED: lambda f: (
        f"makes {f['share']:.0%} of the owner's {f['mistakes']} natural mistakes too"
    ),
    CODE.CORRELATED: lambda f: (
        f"correlations between points are {f['likeness']:.3f} like the owner's; only twins tell "
        "what that means"
    ),
    CODE.DISTANCES_ALIKE: lambda f: (
        f"pairs of points move its answers {f['cosine']:.3f} like the owner's; only twins tell "
        "what that means"
    ),
    CODE.INFORMATION_SHARED: lambda f: (
        f"its labels share {f['share']:.0%} of the information with the owner's; only twins tell "
        "what that means"
    ),
    CODE.RELATIONS_CORRELATED: lambda f: (
        f"likenesses between core points are correlated {f['correlation']:.2f} with the owner's; "
        "only twins tell what that means"
    ),
    CODE.WEIGHTS_ALIKE: lambda f: (
        f"its weights are {f['likeness']:.0%} alike to the owner's, which was trained from scratch "
        f"(by chance in {f['chance']:.1g} of independent models)"
    ),
    CODE.WEIGHTS_UNLIKE: lambda f: (
        f"its weights are {f['likeness']:.0%} alike to the owner's, as independent models' are "
        f"(quick copies keep {f['copies keep']:.0%} or more): it was not made from the owner's "
        "weights as far as the file shows them; a distilled or extracted copy is not excluded, nor "
        "one whose weights a graph hides"
    ),
    CODE.WEIGHTS_BETWEEN: lambda f: (
        f"its weights are {f['likeness']:.0%} alike to the owner's, and {f['shared']:.0%} of the "
        "tensors can be compared: too little to tell"
    ),
    CODE.WEIGHTS_BESIDE: lambda f: (
        f"its weights are {f['likeness']:.0%} alike to the owner's, as independent models' are, "
        f"but only {f['compared']:.0%} of its numbers could be compared: the others may be the "
        "weights that answer"
    ),
    CODE.ANCESTOR_UNKNOWN: lambda f: (
        f"its weights are {f['likeness']:.0%} alike to the owner's, but so are those of innocent "
        "models that were tuned from the same public one; twins can tell (auditkit twins --start), "
        "or the owner's word that there was none (--from-scratch)"
    ),
    # Why an identification abstains.
    CODE.NO_ANSWERS: _no_answers,
    CODE.NO_WEIGHTS: "there are no weights to compare",
    CODE.NO_MISTAKES: "the bundle has no natural mistakes of the owner",
    CODE.NEEDS_PROBABILITIES: lambda f: f"needs probabilities, the access is {f['access']}",
    CODE.NEEDS_KNOWN_MODELS: lambda f: (
        f"needs {f['needed']} twins and {f['needed']} measured copies, has {f['twins']} and "
        f"{f['copies']}"
    ),
    CODE.CLASSES_DIFFER: "the suspect scores other classes than the owner",
    CODE.OWNER_CONSTANT: "the owner answers alike on both points of every pair",
    CODE.TOO_FEW_TO_COMPARE: "too few answers, or all of one kind, to compare",
    CODE.NOT_WEIGHED: "not weighed, for the reason above",
    CODE.LINE_UP_DECIDES: "the line-up decides instead",
}
