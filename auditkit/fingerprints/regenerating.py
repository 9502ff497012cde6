"""Makes a bundle's points again from the owner's model, so that not only its maker knows them.

A bundle's points, answers and twins are what its maker says they are. Whoever has the owner's
model, the samples and the twins can make them again, since everything else that they depend on is
in the bundle's recipe, and starts and targets are drawn by a hash of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import Reference
from auditkit.core.points import InputSpec, point_digest
from auditkit.core.progress import Progress
from auditkit.core.requests import InputFacts, Order
from auditkit.files.bundle import Bundle
from auditkit.fingerprints.making import make_fingerprint
from auditkit.owner.classifier import probed, torch_device
from auditkit.owner.opening import load_model

CLOSE = 1e-3
"""Outputs may differ by this share of their largest number: devices round differently."""
SAME_ANSWERS = 0.99
"""Share of a known model's labels that must come out again; ties fall either way."""


@dataclass(frozen=True, slots=True)
class Check:
    """One claim of a bundle, and whether it holds."""

    claim: str
    holds: bool | None
    """None: it could not be checked with what was given."""
    told: str
    """One line: what was found."""


def regenerate(bundle: Bundle, order: Order, progress: Progress) -> tuple[Check, ...]:
    """Check a bundle against the owner's model, and make its points again if samples are given.

    Args:
        bundle: The bundle, from whoever accuses.
        order: The owner's model, and the samples and twins that the bundle was made from; all else
            is taken from the bundle's recipe.
        progress: Is told how far it is.

    Returns:
        Each claim; the owner's file and its outputs are always among them.

    Raises:
        OwnerError, SamplesError, FingerprintError: As `make_fingerprint` does.
    """
    made = bundle.fingerprint
    checks = list(_owner_checks(made, order))
    if made.recipe.get("samples") is not None and order.samples is None:
        told = "not made again: that takes the samples it was made from (--samples)"
        return (*checks, Check("points", None, told))
    if made.recipe.get("twins") and not order.twins:
        told = "not made again: that takes the twins it was made with (--twins)"
        return (*checks, Check("points", None, told))
    if made.parameters.get("cut short"):
        told = "not made again: --minutes cut their making short, and no clock runs the same twice"
        return (*checks, Check("points", None, told))
    again = make_fingerprint(_ordered(made, order), progress)
    return (*checks, *_compared(bundle, again))


def _facts(spec: InputSpec) -> InputFacts:
    bounds = (spec.lower[0], spec.upper[0]) if len(spec.lower) == 1 else None
    return InputFacts(spec.shape, bounds, spec.mean, spec.std)


def _ordered(made: Fingerprint, order: Order) -> Order:
    recipe = made.recipe
    settings = ",".join(f"{key}={value}" for key, value in recipe.get("settings", {}).items())
    return replace(
        order,
        method=f"{made.method}:{settings}" if settings else made.method,
        points=int(recipe.get("points", order.points)),
        seed=made.seed,
        facts=_facts(made.spec),
        robust=tuple(map(str, recipe.get("robust", ()))),
        from_scratch=bool(recipe.get("from scratch")),
        siblings=len(made.siblings.shares),
    )


def _owner_checks(made: Fingerprint, order: Order) -> Iterator[Check]:
    device = torch_device(order.device)
    model = load_model(order.model, order.weights, device, order.head)
    owner = probed(model, made.spec, device)
    same = owner.record.digest == made.owner.digest
    yield Check("owner", same, f"{owner.record.digest}, the bundle is of {made.owner.digest}")
    if owner.record.classes != made.owner.classes:
        told = f"the model has {owner.record.classes} classes, the bundle {made.owner.classes}"
        yield Check("outputs", holds=False, told=told)
        return
    said = owner.answers(owner.tensor(made.sheet.points)).cpu().numpy()
    gap = float(np.abs(said - made.sheet.outputs).max() / np.abs(made.sheet.outputs).max())
    told = f"the model's outputs for its points differ by at most {gap:.2g} of the largest"
    yield Check("outputs", gap <= CLOSE, told)


def _compared(bundle: Bundle, again: Bundle) -> Iterator[Check]:
    """Compare what was made again with what the bundle holds."""
    old, new = bundle.fingerprint, again.fingerprint
    recipe = [key for key in new.recipe if old.recipe.get(key) != new.recipe[key]]
    told = f"differs in {', '.join(recipe)}" if recipe else "the same, samples and twins included"
    yield Check("recipe", not recipe, told)
    for name in old.sheet.names:
        yield _points(name, old, new)
    yield from _known(bundle, again)
    said = [
        (one.discrimination, one.lead, one.identifications, one.line_up, one.spec)
        for one in (old, new)
    ]
    told = f"{old.discrimination}, made again {new.discrimination}"
    yield Check("what it says", said[0] == said[1], told)


def _points(name: str, old: Fingerprint, new: Fingerprint) -> Check:
    there = {point_digest(point) for point in old.sheet.of_family(name).points}
    rows = new.sheet.of_family(name).points if name in new.sheet.names else ()
    found = there.intersection(point_digest(point) for point in rows)
    told = f"{len(found)} of {len(there)} came out again"
    return Check(f"{name} points", len(found) == len(there), told)


def _known(bundle: Bundle, again: Bundle) -> Iterator[Check]:
    kinds = dict.fromkeys(str(one.kind) for one in (*bundle.references, *again.references))
    for kind in kinds:
        old, new = (
            [one for one in made.references if one.kind == kind] for made in (bundle, again)
        )
        if len(old) != len(new) or len(bundle.fingerprint.sheet) != len(again.fingerprint.sheet):
            told = f"{len(old)} are there, {len(new)} came out"
            yield Check(f"{kind} models", holds=False, told=told)
            continue
        least = min(_agreement(one, other) for one, other in zip(old, new, strict=True))
        told = f"{len(old)}, which give the same labels to at least {least:.1%} of the points"
        yield Check(f"{kind} models", least >= SAME_ANSWERS, told)


def _agreement(one: Reference, other: Reference) -> float:
    return float((one.answers.labels == other.answers.labels).mean())
