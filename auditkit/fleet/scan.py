"""The whole of a scan: every suspect before every bundle, kept in a ledger as it happens.

The scan itself opens no suspect. It finds out what each file's content is, claims what nobody has
judged yet, lets workers examine it, and writes what they say. A killed scan goes on from its ledger
and loses what its workers were at.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from auditkit.adapters import identified
from auditkit.adapters.wire.addresses import shown
from auditkit.core.errors import (
    AuditkitError,
    CrashError,
    FleetError,
    LedgerError,
    SuspectLoadError,
    TimeLimitError,
)
from auditkit.core.provenance import canonical
from auditkit.core.requests import Asking
from auditkit.fleet.book import Book, Claimant, moment
from auditkit.fleet.engines import Place
from auditkit.fleet.identity import Identity, identity
from auditkit.fleet.queues import Job, Queues
from auditkit.fleet.sources import Source
from auditkit.fleet.tally import State, Tally
from auditkit.fleet.tasks import Event, Lost, Said, Setup, Task

AHEAD = 4
"""Suspects for each worker whose content is found out before a worker is free for them."""
TRIES = 2
"""How often a suspect may cost a worker its life before it is refused."""
CHANGES = 3
"""How often a file may change while it is examined before it is refused."""
GRACE = 60.0
"""Seconds that a worker may be silent beyond the time that a suspect's file is given."""
LEASE = 60.0
"""Seconds after which a claim ends that its scan does not renew."""
PAUSE = 0.5
"""Seconds between two looks at what has changed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a scan is worked through."""

    workers: int
    recycle: int = 200
    """Suspects that one worker examines before another takes its place."""
    again: bool = False
    """Whether those are asked again that an earlier scan refused."""


def way(asking: Asking) -> str:
    """Return what of the way of asking tells one pair from another in a ledger, as JSON."""
    options = asking.options
    told = {
        "access": str(asking.access),
        "sequential": asking.sequential,
        "thorough": asking.thorough,
        "device": options.device,
        "resize": options.resize,
        "output": options.output,
        "isolation": str(options.isolation),
        "budget": asking.patience.budget,
    }
    return canonical(told).decode()


class Scan:
    """One scan on an open ledger."""

    def __init__(self, book: Book, setup: Setup, plan: Plan, place: Place) -> None:
        """Prepare; `run` does everything.

        Args:
            book: The ledger.
            setup: The bundles, and how suspects are asked.
            plan: How many workers.
            place: Where they work.
        """
        self.tally = Tally()
        self._book, self._setup, self._plan = book, setup, plan
        self._how = way(setup.asking)
        self._digests = [one.digest for one in setup.bundles]
        self._crew = place.crew(setup, plan.workers, plan.recycle)
        self._claimant, self._begun = Claimant(), moment()
        self._started = self._renewed = self._looked = time.monotonic()
        self._queues, self._numbers = Queues(), 0
        self._names: dict[str, None] = {}
        self._open: set[str] = set()  # contents that have a job
        self._changes: dict[str, int] = {}
        self._judged = 0

    def run(self, source: Source, told: Callable[[State], None]) -> None:
        """Examine everything that a source names, until it ends and all is done.

        Args:
            source: Names the suspects.
            told: Is told how far it is, a few times a second.

        Raises:
            LedgerError: The ledger can't be written any more.
            FleetError: A bundle was changed meanwhile, or no worker can be started.
        """
        for one in self._setup.bundles:
            self._book.name_bundle(one.digest, one.path, one.owner)
        with ThreadPoolExecutor(1) as looking:
            try:
                while True:
                    self._take(source.new())
                    self._look(looking)
                    self._feed()
                    if source.ends and self._queues.are_empty:
                        break
                    self._wait()
                    self._tend()
                    told(self.state())
                told(self.state())
            finally:
                looking.shutdown(wait=False, cancel_futures=True)
                self._crew.close()
                with contextlib.suppress(LedgerError):  # it is what ended the scan
                    self._book.release(self._claimant)

    def state(self) -> State:
        """Return how far it is."""
        pairs = len(self._names) * len(self._digests)
        left = pairs - sum(self.tally.counts.values())
        spent = time.monotonic() - self._started
        seconds = spent / self._judged * left if self._judged else None
        counts = {verdict: count for verdict, count in self.tally.counts.items() if count}
        elsewhere = len(self._queues.elsewhere)
        return State(pairs, counts, self._judged, self._crew.busy, elsewhere, seconds)

    def processes(self) -> list[int]:
        """Return the numbers of the workers' processes."""
        return self._crew.processes()

    def _take(self, names: Sequence[str]) -> None:
        self._names.update(dict.fromkeys(names))
        self._queues.names.extend(names)

    def _look(self, looking: ThreadPoolExecutor) -> None:
        """Find out contents in another thread, some suspects ahead of the workers."""
        queues, ahead = self._queues, AHEAD * self._plan.workers
        while queues.looked and queues.looked[0].done():
            self._enter(queues.looked.popleft().result())
        while queues.names and len(queues.looked) < ahead and len(queues.ready) < ahead:
            name = queues.names.popleft()
            queues.looked.append(looking.submit(identity, name, self._book))

    def _enter(self, one: Identity) -> None:
        """Take up a suspect whose content is known now."""
        book, content = self._book, one.content
        book.name_suspect(shown(one.name), content)
        self.tally.name(one.name, content)
        if content in self._open:
            return
        if self._plan.again:
            book.forget_refused(content, self._how, self._digests, self._begun)
        missing = self._missing(content)
        if missing:
            self._open.add(content)
            self._queues.ready.append(Job(one, missing))

    def _missing(self, content: str) -> list[int]:
        """Return the bundles for which a content has no verdict, after a look into the ledger."""
        settled = self._book.settled(content, self._how)
        for place, digest in enumerate(self._digests):
            if digest in settled:
                self.tally.judge(content, place, *settled[digest])
        return self.tally.missing(content, len(self._digests))

    def _feed(self) -> None:
        """Give idle workers what can be claimed."""
        queues = self._queues
        while self._crew.idle and queues.ready:
            job = queues.ready.popleft()
            if self._claimed(job):
                self._give(job)

    def _claimed(self, job: Job) -> bool:
        content, wanted = job.identity.content, [self._digests[place] for place in job.missing]
        now = time.time()
        found = set(
            self._book.claim(content, self._how, wanted, self._claimant, (now, now + LEASE))
        )
        job.claimed = tuple(place for place in job.missing if self._digests[place] in found)
        if not job.claimed:
            self._end(job)
        return bool(job.claimed)

    def _give(self, job: Job) -> None:
        self._numbers += 1
        self._queues.running[self._numbers] = job
        task = Task(self._numbers, job.identity.name, job.claimed, self._patience(job), job.refusal)
        self._crew.give(task)

    def _patience(self, job: Job) -> float | None:
        """Return how long a worker may be silent; what is not a file may take any time."""
        try:
            kind = identified(job.identity.name).kind
        except AuditkitError:
            return None
        if kind.remote or kind.own_code:
            return None
        return self._setup.asking.options.limits.seconds + GRACE

    def _end(self, job: Job) -> None:
        """Let go of a job, unless another scan is at what it misses."""
        job.missing = self._missing(job.identity.content)
        if job.missing:
            self._queues.elsewhere.append(job)
        else:
            self._open.discard(job.identity.content)

    def _wait(self) -> None:
        queues = self._queues
        hungry = self._crew.idle and (queues.looked or queues.names)
        pause = PAUSE / 50 if hungry else PAUSE
        if not self._crew.busy:
            time.sleep(pause)
        for event in self._crew.wait(pause):
            self._hear(event)

    def _tend(self) -> None:
        """Renew the claims now and then, and look what has become of other scans' claims."""
        now = time.monotonic()
        if now > self._renewed + LEASE / 6:
            self._renewed = now
            self._book.renew(self._claimant, time.time() + LEASE)
        if now > self._looked + 2 * PAUSE:
            self._looked = now
            for job in self._queues.elsewhere:
                job.missing = self._missing(job.identity.content)
            self._queues.ready.extend(self._queues.elsewhere)
            self._queues.elsewhere = []

    def _hear(self, event: Event) -> None:
        job = self._queues.running[event.number]
        if isinstance(event, Said):
            self._keep(job, event)
            return
        del self._queues.running[event.number]
        if isinstance(event, Lost):
            self._retry(job, event)
        elif job.stale:
            self._look_again(job)
        else:
            self._end(job)

    def _keep(self, job: Job, said: Said) -> None:
        one = job.identity
        other = None not in (one.digest, said.digest) and one.digest != said.digest
        if job.refusal is None and (other or not one.is_current):
            job.stale = True  # what was examined is not what was claimed
            return
        digest, judged = self._digests[said.bundle], said.judged
        self._book.keep(digest, one.content, self._how, shown(one.name), judged)
        self.tally.judge(one.content, said.bundle, judged.verdict, judged.code)
        self._judged += 1

    def _retry(self, job: Job, lost: Lost) -> None:
        """Try a suspect once more that its worker did not survive, then refuse it."""
        job.lost += 1
        if job.lost > 2 * TRIES:  # nobody opens it any more, and still they end
            raise FleetError(f"workers end again and again, last by {lost.why}")
        if lost.hung:
            job.refusal = TimeLimitError("its worker said nothing for too long and was ended")
        elif job.lost >= TRIES:
            job.refusal = CrashError(f"its worker ended {job.lost} times, last by {lost.why}")
        job.missing = self._missing(job.identity.content)
        self._queues.ready.appendleft(job)

    def _look_again(self, job: Job) -> None:
        """Begin anew with a file that changed while it was examined."""
        name, content = job.identity.name, job.identity.content
        self._book.release(self._claimant, content)
        self._changes[name] = self._changes.get(name, 0) + 1
        if self._changes[name] >= CHANGES:
            why = f"{shown(name)!r} changes again and again while it is examined"
            job.refusal, job.stale = SuspectLoadError(why), False
            self._queues.ready.append(job)
            return
        self._open.discard(content)
        self.tally.forget(name)
        self._queues.names.append(name)
