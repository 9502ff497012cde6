"""Untouched samples on which models differ (FBI; Maho, Furon, Le Merrer; IEEE TIFS 2023).

Nothing is changed, so nothing looks suspicious. The paper ranks images by the entropy of what many
models answer; so here, with the owner and the stand-ins as the models, and the entropy of the
owner's own probabilities among samples of equal rank. Departure: the paper's greedy search, which
adapts queries to a suspect's answers, has no place in a fingerprint that is fixed beforehand.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.core.errors import FingerprintError
from auditkit.fingerprints.base import FEWEST, Findings, Method, Need, Request

__all__ = ["benign"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Nothing to set."""


def find_benign(request: Request, _settings: Settings) -> Findings:
    """Samples by falling entropy of the models' answers.

    Raises:
        FingerprintError: There are fewer than 20 samples.
    """
    generator = torch.Generator().manual_seed(request.seed)
    samples, _ = request.naturals()
    if min(len(samples), request.count) < FEWEST:
        raise FingerprintError(
            f"{len(samples)} samples are too few (at least {FEWEST} are needed); give more samples"
        )
    samples = samples[torch.randperm(len(samples), generator=generator).to(samples.device)]
    scores = request.owner.answers(samples)
    votes = _votes(request, samples, scores.argmax(1))
    unsure = _entropy(scores.softmax(1))
    rank = votes + unsure / 1e3  # votes differ by far more than that, or not at all
    chosen = torch.argsort(rank, descending=True, stable=True)[: request.count]
    measured = {
        "entropy of answers, chosen": round(float(votes[chosen].mean()), 4),
        "entropy of answers, all": round(float(votes.mean()), 4),
    }
    return request.weighed_by_relations(samples[chosen], measured)


def _votes(request: Request, samples: Tensor, labels: Tensor) -> Tensor:
    """(n,): entropy in nats of the labels that the owner and the stand-ins give."""
    classes = request.owner.record.classes
    inputs = request.owner.inputs(samples)
    answers = [labels, *(stranger.answers(inputs).argmax(1) for stranger in request.strangers)]
    counts = sum(functional.one_hot(answer, classes) for answer in answers)
    return _entropy(torch.as_tensor(counts) / len(answers))


def _entropy(shares: Tensor) -> Tensor:
    entropy: Tensor = torch.special.entr(shares).sum(1)
    return entropy


benign = Method(
    find_benign,
    Settings,
    "Maho, Furon, Le Merrer: Fingerprinting classifiers with benign inputs (IEEE TIFS 2023), "
    "arXiv 2208.03169",
    needs=(Need.SAMPLES,),
    lead="mutual_information",
)
