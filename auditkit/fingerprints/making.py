"""Making a bundle: from the owner's model and samples to the fingerprint and its references."""

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from torch import Tensor

from auditkit import fingerprints
from auditkit.core.arrays import JsonObject
from auditkit.core.errors import SamplesError
from auditkit.core.fingerprint import (
    VETO,
    Discrimination,
    Fingerprint,
    LineUpTerms,
    Siblings,
)
from auditkit.core.plugins import built_in, load
from auditkit.core.points import CONTROL, CORE, MISTAKE, Family, Sheet
from auditkit.core.progress import Progress
from auditkit.core.provenance import canonical, now, sha256, versions
from auditkit.core.requests import MethodChoice, Order, method_choice
from auditkit.files.bundle import Bundle
from auditkit.files.unfinished import Part, Unfinished
from auditkit.fingerprints.base import Findings, Method, Need, Request
from auditkit.fingerprints.measuring import halves, measured_copies
from auditkit.fingerprints.recording import Recorder, shares
from auditkit.fingerprints.twins import check_unseen, line_up_terms, open_twins
from auditkit.judging import identification
from auditkit.owner.classifier import Owner, place, sample_labels, torch_device
from auditkit.owner.lineup import Twin
from auditkit.owner.naturals import control_points, mistaken_points
from auditkit.owner.opening import load_model
from auditkit.owner.room import keep_freed_memory
from auditkit.owner.samples import Samples, read_samples
from auditkit.owner.shadows import Shadows, train_shadows
from auditkit.owner.standins import IMAGE_NETS, ROW_NETS, StandIn, train_standins
from auditkit.owner.training.siblings import train_siblings
from auditkit.owner.transports import robust_transports, survival
from auditkit.owner.weights import own_weights


def make_fingerprint(order: Order, progress: Progress) -> Bundle:
    """Open the model, find its points, and record how stand-ins and siblings answer them.

    Raises:
        OwnerError: The model can't be used.
        SamplesError: The samples can't be used.
        FingerprintError: No points could be found.
    """
    chosen = method_choice(order.method or ("lineup" if order.twins else "deepcore"))
    method: Method = load(fingerprints, chosen.name)
    keep_freed_memory()
    until = math.inf if order.minutes is None else time.monotonic() + 60 * order.minutes
    given = _given(order, progress)
    owner, samples = given.owner, given.samples
    recipe = _recipe(order, chosen, given)
    unfinished = Unfinished(order.unfinished, _made_from(order, recipe, owner))
    request = _request(given, method, chosen.settings, order, progress)
    request = replace(request, seed=drawn_seed(recipe), until=until, unfinished=unfinished)
    found = _found(method, request)
    sheet = _sheet(owner, _points(owner, samples, given.strangers, found))
    # A run on a card, or one that a clock ended, need not find the same points again.
    answered = unfinished.given(sha256(sheet.points.tobytes()))
    recorder = Recorder(owner, sheet, order.seed, answered)
    # Twins show what innocents of the owner's recipe share, and better.
    raised, remark = (
        ((), "twins take their place")
        if given.twins
        else train_siblings(owner, samples, order.siblings, order.seed, progress)
    )
    said = [recorder.sibling(sibling) for sibling in raised]
    siblings = shares(said, sheet, remark)
    found = weighed_by_siblings(found, siblings)
    made = Fingerprint(
        method=chosen.name,
        parameters={**found.parameters, "recipe": recipe, **_sample_facts(owner, samples)},
        seed=order.seed,
        spec=owner.spec,
        owner=owner.record,
        sheet=sheet,
        discrimination=found.discrimination,
        reason=found.reason,
        lead=method.lead,
        transports=survival(owner, owner.tensor(sheet.of_family(CORE).points)),
        identifications=tuple(sorted({*built_in(identification), method.lead})),
        siblings=siblings,
        line_up=given.line_up,
        weights=own_weights(owner, order.seed, from_scratch=order.from_scratch),
    )
    references = [recorder.twin(twin) for twin in given.twins]
    if given.learnt is not None and samples is not None:
        copies = measured_copies(owner, given.learnt, samples, order.seed, progress)
        references += [*recorder.copies(made.weights, references, copies)]
    references += [*map(recorder.stand_in, given.strangers), *said]
    return Bundle(made, tuple(references), versions("numpy", "torch"), now())


def drawn_seed(recipe: JsonObject) -> int:
    """Return what starts and targets of points are drawn by, 0..2^32 - 1.

    It is a hash of everything that the owner brings, so that nobody chooses the points.
    """
    return int(sha256(canonical(recipe)).removeprefix("sha256:")[:8], 16)


def _recipe(order: Order, chosen: MethodChoice, given: "_Given") -> JsonObject:
    """Return all that the points depend on, as JSON values; `auditkit regenerate` reads it."""
    samples = given.whole
    return {
        "owner": given.owner.record.digest,
        "method": chosen.name,
        "settings": dict(chosen.settings),
        "points": order.points,
        "seed": order.seed,
        "robust": list(order.robust),
        "from scratch": order.from_scratch,
        "samples": None if samples is None else samples.digest,
        "twins": [twin.digest for twin in given.twins],
    }


def _made_from(order: Order, recipe: JsonObject, owner: Owner) -> JsonObject:
    """Return all that makes a difference to any part of the bundle, as JSON values."""
    more = {"input": asdict(owner.spec), "minutes": order.minutes, "device": str(owner.device)}
    return {"recipe": recipe, "versions": versions("numpy", "torch"), **more}


def _found(method: Method, request: Request) -> Findings:
    """Return what a method finds, or found before this run was interrupted."""

    def make() -> Part:
        found = method(request)
        facts = {
            "parameters": dict(found.parameters),
            "discrimination": str(found.discrimination),
            "reason": found.reason,
        }
        return Part({CORE: found.points, **found.families}, facts)

    part = request.unfinished.part("points", make)
    families = dict(part.arrays)
    return Findings(
        points=families.pop(CORE),
        parameters=part.facts["parameters"],
        discrimination=Discrimination(part.facts["discrimination"]),
        reason=part.facts["reason"],
        families=families,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Given:
    """What a fingerprint is made from."""

    owner: Owner
    samples: Samples | None
    """Samples that points are made of."""
    whole: Samples | None
    """All samples that were given."""
    learnt: Samples | None
    """Samples that measured copies learn from; None without twins."""
    strangers: tuple[StandIn, ...]
    twins: tuple[Twin, ...]
    line_up: LineUpTerms


def _given(order: Order, progress: Progress) -> _Given:
    """Open the model, its samples and its twins; without twins, train stand-ins."""
    raw = None if order.samples is None else read_samples(order.samples, order.form)
    device = torch_device(order.device)
    model = load_model(order.model, order.weights, device, order.head)
    owner, whole = place(model, order.facts, raw, device)
    check_unseen(order.twins, whole)
    twins = open_twins(order.twins, owner, order.device)
    if twins and whole is None:
        raise SamplesError("a line-up is made of samples; add --samples")
    # What copies learn, they must not be asked.
    samples, learnt = halves(whole, order.seed) if twins and whole is not None else (whole, None)
    # Twins show what innocents share, and better than stand-ins.
    strangers = () if twins else _strangers(owner, samples, order.seed, progress)
    terms = line_up_terms(owner, twins, whole)
    return _Given(owner, samples, whole, learnt, strangers, twins, terms)


def _request(
    given: _Given,
    method: Method,
    settings: Mapping[str, str],
    order: Order,
    progress: Progress,
) -> Request:
    # Training them takes a minute, so methods that don't learn from shadow models go without.
    shadows = None
    if Need.SHADOWS in method.needs and given.samples is not None:
        shadows = _shadows(given.owner, given.samples, given.strangers, order.seed, progress)
    return Request(
        owner=given.owner,
        samples=given.samples,
        strangers=given.strangers,
        count=order.points,
        seed=order.seed,
        progress=progress,
        shadows=shadows,
        options=settings,
        ways=robust_transports(given.owner.spec, order.robust),
        twins=given.twins,
    )


def _sheet(owner: Owner, points: Mapping[str, Tensor]) -> Sheet:
    return Sheet.of(
        {
            name: Family(rows.cpu().numpy(), owner.answers(rows).cpu().numpy())
            for name, rows in points.items()
            if len(rows)
        }
    )


def _strangers(
    owner: Owner, samples: Samples | None, seed: int, progress: Progress
) -> tuple[StandIn, ...]:
    if samples is None:
        return ()
    points = owner.tensor(samples.x)
    labels = sample_labels(owner, samples)
    total = len(IMAGE_NETS if points.ndim == 4 else ROW_NETS)
    trained: list[StandIn] = []
    progress("training stand-ins", 0, total)
    for stranger in train_standins(owner.inputs(points), labels, owner.record.classes, seed):
        trained.append(stranger)
        progress("training stand-ins", len(trained), total)
    return tuple(trained)


def _shadows(
    owner: Owner, samples: Samples, strangers: tuple[StandIn, ...], seed: int, progress: Progress
) -> Shadows:
    points = owner.tensor(samples.x)
    return train_shadows(owner, points, sample_labels(owner, samples), strangers, seed, progress)


def weighed_by_siblings(found: Findings, siblings: Siblings) -> Findings:
    """Refuse points that siblings share; otherwise add what siblings showed to the reason.

    Siblings stand for innocents of the owner's recipe, which may share such points too. They never
    make a bundle discriminating that was not (docs/decisions/0008-siblings.md).
    """
    if found.discrimination is Discrimination.NOT_DISCRIMINATING or not siblings.tried:
        return found
    closest = max(siblings.shares)
    if closest > VETO:
        return replace(
            found,
            discrimination=Discrimination.NOT_DISCRIMINATING,
            reason=f"a net of the owner's own architecture, trained anew from its answers, shares "
            f"{closest:.0%} of the points (at most {VETO:.0%} may be): innocents of the owner's "
            f"recipe would be accused",
        )
    return replace(
        found,
        reason=f"{found.reason}; of {len(siblings.shares)} nets of its own architecture, trained "
        f"anew from its answers, none shares more than {closest:.0%} ({VETO:.0%} may be)",
    )


def _points(
    owner: Owner, samples: Samples | None, strangers: tuple[StandIn, ...], found: Findings
) -> dict[str, Tensor]:
    points = {CORE: owner.tensor(found.points)}
    points |= {name: owner.tensor(rows) for name, rows in found.families.items()}
    if samples is not None and not found.families:
        points[CONTROL] = control_points(owner, samples, strangers)
        points[MISTAKE] = mistaken_points(owner, samples)
    return points


def _sample_facts(owner: Owner, samples: Samples | None) -> JsonObject:
    if samples is None:
        return {"samples": 0}
    labels = owner.answers(owner.tensor(samples.x)).argmax(1).cpu().numpy()
    right = None if samples.y is None else round(float((labels == samples.y).mean()), 4)
    return {
        "samples": len(samples.x),
        "owner is right on": right,
        "stand-ins learnt from": "owner's labels" if samples.y is None else "given labels",
    }
