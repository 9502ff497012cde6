"""Trainings in processes of this machine."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

from auditkit.core.errors import OwnerLoadError

Made = TypeVar("Made")


def results(
    train: Callable[[int], Made], seeds: Mapping[str, int], workers: int
) -> Iterator[tuple[str, Made]]:
    """Train with each seed, and yield what comes of it with its name as soon as it is done.

    Args:
        train: Trains with a seed; it can be pickled.
        seeds: The seeds by name.
        workers: How many train at once, 2 or more.

    Raises:
        OwnerLoadError: A process was ended.
    """
    # Spawned, because a forked process inherits locks of torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_at_work) as pool:
        jobs = {pool.submit(train, seed): name for name, seed in seeds.items()}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        except BrokenProcessPool as error:
            raise OwnerLoadError(
                f"a process that trained a twin was ended, perhaps for want of memory; {workers} "
                "trained at once, try --workers 1"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _at_work() -> None:
    """Prepare a process that trains: processes share the cores, so each takes one thread."""
    torch.set_num_threads(1)
    # An interrupt reaches all processes of a terminal; the first one reports it.
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
