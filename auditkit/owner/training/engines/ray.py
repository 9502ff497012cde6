"""Trainings as tasks of a Ray cluster, each with one thread as a process of this machine has."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar, cast

import torch

from auditkit.core.cluster import Began, Cluster, Gone, Over, Work
from auditkit.core.errors import OwnerLoadError

Made = TypeVar("Made")
TRIES = 2
"""How often a training may be lost before all of it ends."""
PAUSE = 1.0
"""Seconds to wait for news at a time."""


def results(
    train: Callable[[int], Made], seeds: Mapping[str, int], workers: int | None, cluster: Cluster
) -> Iterator[tuple[str, Made]]:
    """Train with each seed, and yield what comes of it with its name as soon as it is done.

    A training whose process or node ends is begun once more.

    Args:
        train: Trains with a seed; it can be pickled.
        seeds: The seeds by name.
        workers: How many train at once; None: as many as the cluster has room for.
        cluster: Where.

    Raises:
        FleetError: A node can't train.
        OwnerLoadError: A training was lost twice.
    """
    yield from _Trainings(cluster, train, seeds).results(workers or cluster.slots)


class _Trainings(Generic[Made]):
    """Trainings that wait, and those that run."""

    def __init__(
        self, cluster: Cluster, train: Callable[[int], Made], seeds: Mapping[str, int]
    ) -> None:
        self._cluster, self._train, self._seeds = cluster, train, seeds
        self._waiting = deque(seeds)
        self._running: dict[Work, str] = {}
        self._lost = Counter[str]()

    def results(self, most: int) -> Iterator[tuple[str, Made]]:
        """See `results` of this module."""
        try:
            while self._waiting or self._running:
                while self._waiting and len(self._running) < most:
                    self._begin(self._waiting.popleft())
                for work, event in self._cluster.heard(self._running, PAUSE):
                    if isinstance(event, Gone):
                        self._retry(self._running.pop(work), event)
                    elif not isinstance(event, Began | Over):
                        yield self._running.pop(work), cast("Made", event)
        finally:
            for work in self._running:
                self._cluster.give_up(work)

    def _begin(self, name: str) -> None:
        work = self._cluster.begin(_trained, self._train, self._seeds[name])
        self._running[work] = name

    def _retry(self, name: str, gone: Gone) -> None:
        self._lost[name] += 1
        if self._lost[name] >= TRIES:
            raise OwnerLoadError(
                f"the training of {name!r} was ended {TRIES} times, last by {gone.why}; the same "
                "command goes on with fewer at once, say --workers 1"
            )
        self._waiting.appendleft(name)


def _trained(train: Callable[[int], Made], seed: int) -> Iterator[Made]:
    """Train, where the task runs."""
    torch.set_num_threads(1)
    yield train(seed)
