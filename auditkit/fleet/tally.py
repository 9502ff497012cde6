"""What has come of a scan so far: which name stands for which content, and the verdicts on it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from auditkit.fleet.ledger import REFUSED


@dataclass(frozen=True, slots=True)
class Line:
    """One pair of a scan."""

    suspect: str
    bundle: int
    """The bundle's place among the scan's."""
    verdict: str
    code: str


@dataclass(frozen=True, slots=True)
class State:
    """How far a scan is."""

    pairs: int
    """How many there are, as far as is known."""
    verdicts: Mapping[str, int]
    """How many have each verdict; `refused` is one of them."""
    judged: int
    """How many contents and bundles this scan has judged itself."""
    busy: int
    """How many suspects are examined now."""
    elsewhere: int
    """How many suspects another scan on the same ledger is at."""
    seconds: float | None
    """How long it may still take; None: that is not known yet."""

    @property
    def done(self) -> int:
        """How many pairs have a verdict or a refusal."""
        return sum(self.verdicts.values())


class Tally:
    """Counts pairs, of which those with the same content share a verdict."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._contents: dict[str, str] = {}
        self._names: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._verdicts: defaultdict[str, dict[int, tuple[str, str]]] = defaultdict(dict)

    def name(self, name: str, content: str) -> None:
        """Note what a name stands for; what it stood for before is forgotten."""
        if self._contents.get(name) == content:
            return
        self.forget(name)
        self._contents[name] = content
        self._names[content][name] = None
        self.counts.update(verdict for verdict, _ in self._verdicts[content].values())

    def forget(self, name: str) -> None:
        """Forget what a name stands for."""
        content = self._contents.pop(name, None)
        if content is not None:
            del self._names[content][name]
            self.counts.subtract(verdict for verdict, _ in self._verdicts[content].values())

    def judge(self, content: str, bundle: int, verdict: str, code: str) -> None:
        """Note a verdict on a content; the first one counts."""
        if bundle not in self._verdicts[content]:
            self._verdicts[content][bundle] = verdict, code
            self.counts[verdict] += len(self._names[content])

    def missing(self, content: str, bundles: int) -> list[int]:
        """Return the bundles for which a content has no verdict."""
        return [place for place in range(bundles) if place not in self._verdicts[content]]

    def lines(self) -> Iterator[Line]:
        """Yield every pair with a verdict: the accused first, then the refused."""
        ranks = {"pirated": 0, REFUSED: 1, "inconclusive": 2, "homologous": 3}
        lines = [
            Line(name, bundle, *found)
            for name, content in self._contents.items()
            for bundle, found in self._verdicts[content].items()
        ]
        yield from sorted(lines, key=lambda one: (ranks[one.verdict], one.suspect, one.bundle))
