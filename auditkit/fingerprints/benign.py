"""FBI: untouched samples on which models disagree (Maho, Furon, Le Merrer; IEEE TIFS 2023).

No input is changed, so no query looks suspicious. The paper ranks images by the entropy of the
labels that many models give; here these models are the owner and the stand-ins, and samples of
equal rank are ordered by the entropy of the owner's own probabilities. Departure from the paper:
its greedy search, which adapts the queries to a suspect's answers, is left out, because a
fingerprint is fixed before any suspect is asked.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from auditkit.core.errors import FingerprintError
from auditkit.core.points import FEWEST
from auditkit.fingerprints.base import Findings, Method, Need, Request

__all__ = ["benign"]


@dataclass(frozen=True, slots=True)
class Settings:
    """This method has no settings."""


def find_benign(request: Request, _settings: Settings) -> Findings:
    """Order the samples by the entropy of the models' labels, highest first.

    Raises:
        FingerprintError: There are fewer than 20 samples.
    """
    generator = torch.Generator().manual_seed(request.seed)
    samples, _ = request.naturals()
    if min(len(samples), request.count) < FEWEST:
        raise FingerprintError(
            f"{len(samples)} samples are too few (at least {FEWEST} are needed); give more samples"
        )
    # Shuffled, so that ties among samples are not broken by the order in the user's file, which
    # often goes class by class.
    samples = samples[torch.randperm(len(samples), generator=generator).to(samples.device)]
    scores = request.owner.answers(samples)
    votes = _votes(request, samples, scores.argmax(1))
    unsure = _entropy(scores.softmax(1))
    # Five or six votes give entropies that differ by far more than a thousandth of the owner's
    # entropy, or not at all; so the second term only breaks ties.
    rank = votes + unsure / 1e3
    chosen = torch.argsort(rank, descending=True, stable=True)[: request.count]
    measured = {
        "entropy of answers, chosen": round(float(votes[chosen].mean()), 4),
        "entropy of answers, all": round(float(votes.mean()), 4),
    }
    return request.weighed_by_relations(samples[chosen], measured)


def _votes(request: Request, samples: Tensor, labels: Tensor) -> Tensor:
    """Return (n,): entropy in nats of the labels that the owner and the stand-ins give."""
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
    # Which labels coincide matters here, not how many: models disagree on these samples anyway.
    lead="mutual_information",
)
