"""Whether points can tell copies from independent models, measured with quick copies and stand-ins.

This measurement can refuse points but never recommends them. The thresholds of a verdict were
measured on core points; of other points, innocents of the owner's architecture share far more than
stand-ins do (of IPGuard's points on a LeNet 0.98, where no stand-in shares more than 0.57).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from auditkit.core.arrays import JsonObject
from auditkit.core.fingerprint import VETO, Discrimination
from auditkit.owner.classifier import Owner, sample_labels
from auditkit.owner.copies import copy_labels, working_copies
from auditkit.owner.samples import Samples
from auditkit.owner.standins import StandIn
from auditkit.owner.tuned import tuned_copies

# The same as DeepCore's working_agreement, final_kept, veto_shared and max_samples: points of other
# methods must pass the bars that core points have to pass (docs/decisions/0001-core-points.md).
WORKING = 0.8
"""A copy counts if it keeps this share of the owner's labels on natural samples."""
KEPT = 0.90
"""Least share of the points that every working copy must keep."""
NATURALS = 1000
"""Samples at most that copies are tried on."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether points discriminate, and the measurement behind that in one line."""

    discrimination: Discrimination
    reason: str


@dataclass(frozen=True, slots=True)
class Uniqueness:
    """A judgement with its figures as JSON values."""

    discrimination: Discrimination
    reason: str
    facts: JsonObject = field(default_factory=dict)


def label_uniqueness(
    owner: Owner,
    samples: Samples | None,
    strangers: Sequence[StandIn],
    points: Tensor,
    seed: int,
) -> Uniqueness:
    """Measure the share of points that the worst copy keeps and the closest stand-in shares.

    Args:
        owner: The model whose labels are compared.
        samples: Inputs that copies are tried and tuned on; if None, nothing can be measured.
        strangers: Stand-ins.
        points: (n, *shape) float32 in the owner's domain.
        seed: Fixes the copies.
    """
    if samples is None or not strangers:
        return Uniqueness(
            Discrimination.UNMEASURED,
            "made without samples, so what independent models answer was not measured; "
            "add --samples",
        )
    labels = owner.answers(points).argmax(1)
    inputs = owner.inputs(points)
    shares = {
        stranger.name: _share(stranger.answers(inputs).argmax(1), labels) for stranger in strangers
    }
    naturals = owner.tensor(samples.x[:NATURALS])
    truth = sample_labels(owner, samples)[:NATURALS]
    copies = working_copies(owner, naturals, WORKING, seed)
    copies += tuned_copies(owner, naturals, truth, WORKING, seed)
    kept = {
        copy.name: _share(row, labels)
        for copy, row in zip(copies, copy_labels(owner, points, copies), strict=True)
    }
    # An owner whose weights are frozen into constants has no copies. Then robustness is unknown,
    # which must not pass for robustness: hence 0.
    judged = _judged(min(kept.values(), default=0.0), max(shares.values()))
    facts = {"copies keep": kept, "stand-ins share": shares}
    return Uniqueness(judged.discrimination, judged.reason, facts)


def _judged(kept: float, share: float) -> Judgement:
    """Judge by what the worst copy keeps and the closest stand-in shares, both 0..1."""
    # Uniqueness is judged first: where innocents share the points, robustness is no news.
    if share > VETO:
        return Judgement(
            Discrimination.NOT_DISCRIMINATING,
            f"an independent stand-in shares {share:.0%} of the points (at most {VETO:.0%} may "
            "be): innocent models agree with the owner on them",
        )
    if kept < KEPT:
        return Judgement(
            Discrimination.NOT_DISCRIMINATING,
            f"the harshest working copy keeps {kept:.0%} of the points (at least {KEPT:.0%} are "
            "needed)",
        )
    # Not DISCRIMINATING: with default thresholds `check` would accuse innocents of IPGuard's points
    # (docs/decisions/0004-benchmark.md).
    return Judgement(
        Discrimination.UNMEASURED,
        f"working copies keep at least {kept:.0%} of the points and no independent stand-in shares "
        f"more than {share:.0%}, but the default thresholds hold for core points alone; compare "
        "the values with those of models of known kind",
    )


def _share(answers: Tensor, labels: Tensor) -> float:
    # Rounded here, because bundles keep these figures and are compared byte by byte.
    return round(float((answers == labels).float().mean()), 4) if len(labels) else 0.0
