"""The baseline: samples drawn at random, unchanged, which any method has to beat."""

from dataclasses import dataclass

import torch

from auditkit.fingerprints.base import Findings, Method, Need, Request

__all__ = ["random"]


@dataclass(frozen=True, slots=True)
class Settings:
    """This method has no settings."""


def find_random_samples(request: Request, _settings: Settings) -> Findings:
    """Draw samples in random order."""
    points, _ = request.naturals()
    generator = torch.Generator().manual_seed(request.seed)
    rows = torch.randperm(len(points), generator=generator)[: request.count]
    return request.weighed_by_labels(points[rows.to(points.device)], {})


random = Method(find_random_samples, Settings, "none: a baseline", needs=(Need.SAMPLES,))
