"""Building a population with several processes, parents first, each on one thread."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Any

import torch

from experiments.zoo.plan import Plan
from experiments.zoo.population import Recipe
from experiments.zoo.store import Record, Zoo

_OPENED: list[tuple[Zoo, dict[str, Recipe]]] = []


def build(
    plan: Plan, zoo: Zoo, wanted: list[Recipe], facts: dict[str, Any], count: int
) -> Iterator[Record]:
    """Make what is missing and yield each record, those that were there first.

    Args:
        plan: What each worker opens.
        zoo: The same, opened here: where files and manifest go.
        wanted: Recipes with all their parents, parents first.
        facts: The manifest's own entries.
        count: How many models are trained at a time.
    """
    zoo.prepare()
    done = {record.name: record for record in zoo.records()}
    yield from done.values()
    waiting = [recipe for recipe in wanted if recipe.name not in done]
    running: set[Future[Record]] = set()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, spawn, initializer=_open, initargs=(plan,)) as pool:
        while waiting or running:
            ready = [recipe for recipe in waiting if set(recipe.parents) <= done.keys()]
            for recipe in ready[: count - len(running)]:
                waiting.remove(recipe)
                running.add(pool.submit(_make, recipe.name, done))
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                record = future.result()
                done[record.name] = record
                zoo.write(facts, _in_order(done, wanted))
                yield record


def _in_order(done: dict[str, Record], wanted: list[Recipe]) -> list[Record]:
    order = {recipe.name: number for number, recipe in enumerate(wanted)}
    return sorted(done.values(), key=lambda record: order.get(record.name, len(order)))


def _open(plan: Plan) -> None:
    torch.set_num_threads(1)
    _OPENED[:] = [plan.open()]


def _make(name: str, known: dict[str, Record]) -> Record:
    zoo, recipes = _OPENED[0]
    return zoo.make(recipes[name], known)
