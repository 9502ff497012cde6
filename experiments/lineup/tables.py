"""The tables of docs/measured/line-up.md, in Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from auditkit.core.verdicts import Decision, LineUp
from experiments.lineup.judging import MODES, Hearing, Judged, Mode, twins_accused
from experiments.lineup.one_by_one import courses
from experiments.lineup.population import COPY, INNOCENT, OWNER, TWIN
from experiments.lineup.turns import Firsts, Turns, in_turns, owner_firsts

DECISIONS = (Decision.PIRATED, Decision.INCONCLUSIVE, Decision.HOMOLOGOUS)
EXCLUDED_AS = {
    "noise": ("noisy",),
    "pruned and tuned": ("pruned and tuned", "heavily pruned and tuned"),
    "extracted by probabilities": ("distilled",),
}
"""What auditkit calls kinds of copies that it names differently."""
STUDENTS = ("distilled", "extracted", "data-free")
"""How ways of copying begin that take answers and no weights."""
LOST = 0.16
"""Accuracy, 0..1, that a copy may lose and still be of use."""
HUGE = 100
"""z above which its size tells nothing more."""


def told(hearing: Hearing) -> Iterator[str]:
    """All lines of one population."""
    yield f"### {hearing.population}"
    yield ""
    yield from _bundle(hearing)
    for title, rows in (
        ("Verdicts: pirated / inconclusive / homologous.", _verdicts(hearing)),
        ("Copies found.", _found(hearing)),
        ("z of the owner by measure, least to greatest; median in brackets.", _standings(hearing)),
        ("Innocents before each member.", _turns(hearing)),
        ("Asked one by one.", _one_by_one(hearing)),
        ("What acquittals exclude and can't see.", _excluded(hearing)),
    ):
        yield from ("", title, "", *rows)
    yield from ("", *_wrong(hearing))


def told_alone(hearing: Hearing) -> Iterator[str]:
    """The verdicts of one population's bundle without twins."""
    made = hearing.bundle.fingerprint
    yield f"### {hearing.population}, without twins"
    yield ""
    yield f"{made.sheet.questions} points, {made.discrimination}: {made.reason}."
    yield ""
    yield from _verdicts(hearing)
    yield ""
    yield from _found(hearing)
    yield ""
    for kind in (INNOCENT, COPY):
        seen = (one.said.weights for one in hearing.of(MODES[-1], kind))
        values = sorted(weights.likeness[0] for weights in seen if weights is not None)
        yield f"Likeness of the weights, {kind}: {', '.join(f'{one:.2f}' for one in values)}"


def _bundle(hearing: Hearing) -> Iterator[str]:
    made = hearing.bundle.fingerprint
    accuracies = {
        kind: [one.acc for one in hearing.records.values() if one.kind == kind]
        for kind in (OWNER, TWIN)
    }
    low, high = min(accuracies[TWIN]), max(accuracies[TWIN])
    yield (
        f"Owner {accuracies[OWNER][0]:.3f} right, {made.line_up.twins} twins {low:.3f} to "
        f"{high:.3f}; {made.sheet.questions} points asked of everybody, {len(made.sheet)} of files;"
        f" {made.reason}."
    )
    yield f"The line-up is {'claimed' if made.line_up.claimed else made.line_up.doubt}."


def _verdicts(hearing: Hearing) -> Iterator[str]:
    yield from _head("made how", "models", "accuracy", *(mode.name for mode in MODES))
    for kind in (INNOCENT, COPY):
        for how in _ways(hearing, kind):
            rows = [[j for j in hearing.of(mode, kind) if how in (None, _how(j))] for mode in MODES]
            rights = [one.record.acc for one in rows[0]]
            title = f"{kind}: {how}" if how else f"**{kind}, all**"
            span = f"{min(rights):.2f} – {max(rights):.2f}" if rights else "–"
            yield _row(title, len(rows[0]), span, *map(_counts, rows))


def _found(hearing: Hearing) -> Iterator[str]:
    yield from _head("copies", *(mode.name for mode in MODES))
    rows = [hearing.of(mode, COPY) for mode in MODES]
    for group in dict.fromkeys(_group(hearing, one) for one in rows[0]):
        alike = [[one for one in row if _group(hearing, one) == group] for row in rows]
        cells = [
            f"{sum(one.verdict.decision is Decision.PIRATED for one in row)} of {len(row)}"
            for row in alike
        ]
        yield _row(group, *cells)


def _group(hearing: Hearing, one: Judged) -> str:
    """What became of a copy, where it was made from the weights; else how it was made."""
    if one.record.how.startswith(STUDENTS):
        return one.record.how
    if one.record.task or one.record.how.startswith("transferred"):
        return "transferred"
    owner = next(known.acc for known in hearing.records.values() if known.kind == OWNER)
    return f"within {LOST} of the owner" if one.record.acc >= owner - LOST else "broken"


def _how(one: Judged) -> str:
    return f"{one.record.how}, {one.record.task}" if one.record.task else one.record.how


def _ways(hearing: Hearing, kind: str) -> list[str | None]:
    """Ways in which models of a kind were made; None, the last, is all of them."""
    return [*dict.fromkeys(_how(one) for one in hearing.of(MODES[0], kind)), None]


def _counts(rows: Sequence[Judged]) -> str:
    counted = Counter(one.verdict.decision for one in rows)
    return " / ".join(str(counted[decision]) for decision in DECISIONS)


def _standings(hearing: Hearing) -> Iterator[str]:
    api, file = MODES[1], MODES[3]
    columns = [(mode, name) for mode in (api, file) for name in _measures(hearing, mode)]
    titles = (f"{'file' if mode.file else 'API'}: {name}" for mode, name in columns)
    yield from _head("made how", *titles)
    for kind in (INNOCENT, COPY):
        for how in _ways(hearing, kind)[:-1]:
            cells = [
                _span(
                    place.standing
                    for one in hearing.of(mode, kind)
                    if how == _how(one)
                    for place in one.line_up.places
                    if place.measure == name
                )
                for mode, name in columns
            ]
            yield _row(f"{kind}: {how}", *cells)


def _measures(hearing: Hearing, mode: Mode) -> list[str]:
    ups = (one.line_up for one in hearing.judged if one.mode == mode)
    return list(dict.fromkeys(place.measure for up in ups for place in up.places))


def _span(values: Iterable[float]) -> str:
    found = sorted(values)
    if not found:
        return "–"
    if len(found) == 1:
        return _size(found[0])
    return f"{_size(found[0])} – {_size(found[-1])} ({_size(found[len(found) // 2])})"


def _size(z: float) -> str:
    return f"{z:.1f}" if z < HUGE else f"> {HUGE}"


def _turns(hearing: Hearing) -> Iterator[str]:
    yield from _head(
        *("suspects", "mode", "owner first", "expected, and what 3 SE allow"),
        *("comparisons in turn", "accused", "first most often to", "least p of a gap"),
    )
    level = hearing.bundle.fingerprint.line_up.level
    for who, ups in _innocents(hearing).items():
        for mode, found in zip(MODES, ups, strict=True):
            turns = in_turns(found, level)
            yield _row(who, mode.name, *_owner_first(owner_firsts(found)), *_turned(turns))
    for mode in MODES:
        found = [j.line_up for j in hearing.of(mode, COPY)]
        if found:
            turns = in_turns(found, level, owner_too=False)
            yield _row("copies, before twins", mode.name, "–", "–", *_turned(turns))


def _innocents(hearing: Hearing) -> dict[str, list[list[LineUp]]]:
    """Line-ups of innocents, and of twins that stand as suspects before the others, by mode."""
    return {
        "innocents": [[one.line_up for one in hearing.of(mode, INNOCENT)] for mode in MODES],
        "twins": [list(twins_accused(hearing.bundle, mode)) for mode in MODES],
    }


def _owner_first(firsts: Firsts) -> tuple[str, str]:
    return (
        f"{firsts.first} of {firsts.suspects}",
        f"{firsts.expected:.1%}, {firsts.most:.1%}",
    )


def together(hearings: Sequence[Hearing]) -> Iterator[str]:
    """All populations' innocents in one table."""
    yield "### all populations"
    yield ""
    yield from _head(
        *("suspects", "mode", "owner first", "expected, and what 3 SE allow"),
        *("comparisons in turn", "accused", "least p of a gap"),
    )
    level = hearings[0].bundle.fingerprint.line_up.level
    known = [_innocents(hearing) for hearing in hearings]
    for who in known[0]:
        for number, mode in enumerate(MODES):
            apart = [ups[who][number] for ups in known]
            firsts = owner_firsts(up for ups in apart for up in ups)
            turns = [in_turns(ups, level) for ups in apart]
            yield _row(
                *(who, mode.name, *_owner_first(firsts)),
                sum(one.comparisons for one in turns),
                sum(one.accused for one in turns),
                f"{min(one.least_p for one in turns):.1e}",
            )


def _turned(turns: Turns) -> tuple[str, ...]:
    return (str(turns.comparisons), str(turns.accused), f"{turns.most:.0%}", f"{turns.least_p:.1e}")


def _one_by_one(hearing: Hearing) -> Iterator[str]:
    yield from _head("mode", "suspects", "a twin stands out", "the owner", "after questions")
    for mode in (mode for mode in MODES if not mode.file):
        for kind in (INNOCENT, COPY):
            said = [one.said for one in hearing.of(mode, kind)]
            found = list(courses(hearing.bundle, said, mode.access))
            owner = [one.asked for one in found if one.stood_out == 0]
            twin = sum(one.stood_out not in (None, 0) for one in found)
            mean = f"{sum(owner) / len(owner):.0f}" if owner else "–"
            yield _row(mode.name, f"{len(found)} {kind}", twin, len(owner), mean)


def _excluded(hearing: Hearing) -> Iterator[str]:
    yield from _head("mode", "excluded of homologous innocents", "not excluded")
    for mode in MODES:
        lists: Counter[str] = Counter()
        unseen: Counter[str] = Counter()
        for one in hearing.of(mode, INNOCENT):
            lists.update(one.line_up.excluded)
            unseen.update(one.line_up.unseen)
        total = len(hearing.of(mode, INNOCENT))
        yield _row(mode.name, _listed(lists, total), _listed(unseen, total))


def _listed(counted: Counter[str], total: int) -> str:
    return ", ".join(f"{kind} {count}/{total}" for kind, count in counted.items()) or "–"


def _wrong(hearing: Hearing) -> Iterator[str]:
    """Everything that should not be."""
    for one in hearing.judged:
        where = f"{one.name} ({one.mode.name}; {one.verdict.reason.code})"
        found = one.verdict.decision
        if one.record.kind == INNOCENT and found is Decision.PIRATED:
            yield f"- ACCUSED INNOCENT: {where}, p of the gap {one.line_up.p_gap:.1e}"
        if one.line_up.like_twin:
            yield f"- LIKE A TWIN: {where}"
        if one.record.kind == COPY and found is Decision.HOMOLOGOUS:
            known = EXCLUDED_AS.get(one.record.how, (one.record.how,))
            named = [kind for kind in known if kind in one.line_up.excluded]
            if named:
                yield f"- WRONGLY EXCLUDED: {where}, its kind {', '.join(named)} is excluded"
            else:
                yield f"- acquitted copy: {where}, its kind ({one.record.how}) is not excluded"


def _head(*titles: str) -> tuple[str, str]:
    return _row(*titles), "|---" * len(titles) + "|"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"
