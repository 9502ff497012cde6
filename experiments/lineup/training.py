"""Trains a population as the command line says, with several processes if it says so."""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import torch

from experiments.lineup.population import COPY, Folder, Population, train
from experiments.lineup.small import PLANS, small

ANCESTOR = "ancestor"


def train_all(options: argparse.Namespace) -> None:
    """Train a population, with as many processes as `options` say."""
    if options.workers > 1:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(options.workers, spawn) as pool:
            for copies in (False, True):  # they are made of others
                part = partial(_train_part, options, copies)
                list(pool.map(part, range(options.workers)))
    train(_population(options), Folder(options.output), tell)


def _train_part(options: argparse.Namespace, copies: bool, number: int) -> None:
    torch.set_num_threads(1)
    population = _population(options)
    jobs = [job for job in population.jobs if (job.kind == COPY) == copies]
    train(population, Folder(options.output), tell, jobs[number :: options.workers])


def _population(options: argparse.Namespace) -> Population:
    if options.population == ANCESTOR:
        from experiments.lineup.ancestor import ancestor

        return ancestor(options.data, options.output)
    if options.public is None and PLANS[options.population].copied:
        raise SystemExit("--public FILE is needed: copies are transferred to another task")
    device = torch.device(options.device)
    return small(options.population, options.data, options.public, device)


def tell(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)
