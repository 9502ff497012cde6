"""The owner's side from end to end: model and samples in, fingerprint and stand-ins out."""

import hashlib
import json
from typing import Any

from torch import Tensor

from auditkit import fingerprints
from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.errors import SamplesError
from auditkit.core.fingerprint import Fingerprint
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.plugins import load
from auditkit.core.points import CONTROL, CORE, LINEAGE, MISTAKE, Family
from auditkit.core.progress import Progress
from auditkit.core.requests import Order, split_method
from auditkit.fingerprints.base import Findings, Method, Need, Request
from auditkit.owner.classifier import Owner, place, sample_labels, torch_device
from auditkit.owner.lineage import lineage_points
from auditkit.owner.naturals import control_points, mistaken_points
from auditkit.owner.opening import load_model
from auditkit.owner.samples import Samples, read_samples
from auditkit.owner.shadows import Shadows, train_shadows
from auditkit.owner.standins import IMAGE_NETS, RECIPE, ROW_NETS, StandIn, train_standins
from auditkit.owner.transports import robust_transports, survival
from auditkit.suspects.known_models import ShadowFolder, open_shadows


def make_fingerprint(order: Order, progress: Progress) -> tuple[Fingerprint, list[Reference]]:
    """Open the model, find its points, and keep what stand-ins say about them.

    Raises:
        OwnerError: The model can't be used.
        SamplesError: The samples can't be used.
        FingerprintError: No points could be found, or shadow models can't be asked.
        BenchmarkError: The folder of shadow models has no readable manifest.
    """
    name, options = split_method(order.method)
    method: Method = load(fingerprints, name)
    raw = None if order.samples is None else read_samples(order.samples)
    device = torch_device(order.device)
    model = load_model(order.model, order.weights, device)
    owner, samples = place(model, order.facts, raw, device)
    strangers = _strangers(owner, samples, order.seed, progress)
    ways = robust_transports(owner.spec, order.robust)
    shadows = None
    if Need.SHADOWS in method.needs and samples is not None:
        shadows = _shadows(owner, samples, strangers, order.seed, progress)
    folder = _shadow_folder(owner, samples, order)
    lineage = _lineage(owner, samples, folder, order, progress)
    count = order.points - sum(map(len, lineage.values()))
    found = method(
        Request(owner, samples, strangers, count, order.seed, progress, shadows, options, ways)
    )
    points = _points(owner, samples, strangers, found) | lineage
    families = {
        name: Family(rows.cpu().numpy(), owner.answers(rows).cpu().numpy())
        for name, rows in points.items()
        if len(rows)
    }
    robust = {"robust": list(order.robust)} if order.robust else {}
    parameters = {**found.parameters, **robust, **_sample_facts(owner, samples)}
    fingerprint = Fingerprint(
        name,
        parameters,
        order.seed,
        owner.spec,
        owner.record,
        families,
        found.discrimination,
        found.reason,
        method.lead,
        survival(owner, owner.tensor(families[CORE].points)),
    )
    references = [_reference(stranger, owner, families, order.seed) for stranger in strangers]
    if folder is not None:
        references += folder.references(families)
    return fingerprint, references


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


def _shadow_folder(owner: Owner, samples: Samples | None, order: Order) -> ShadowFolder | None:
    if order.shadows is None:
        return None
    if samples is None:
        raise SamplesError("shadow models choose among samples and mixtures of them; add --samples")
    return open_shadows(order.shadows, owner.spec, owner.record.classes, order.device)


def _lineage(
    owner: Owner,
    samples: Samples | None,
    folder: ShadowFolder | None,
    order: Order,
    progress: Progress,
) -> dict[str, Tensor]:
    """Half of the points that are wanted, where shadow models choose them."""
    if folder is None or samples is None:
        return {}
    shadows, count = folder.shadows(), order.points // 2
    return {LINEAGE: lineage_points(owner, samples, shadows, count, order.seed, progress)}


def _points(
    owner: Owner, samples: Samples | None, strangers: tuple[StandIn, ...], found: Findings
) -> dict[str, Tensor]:
    points = {CORE: owner.tensor(found.points)}
    if samples is not None:
        points[CONTROL] = control_points(owner, samples, strangers)
        points[MISTAKE] = mistaken_points(owner, samples)
    return points


def _sample_facts(owner: Owner, samples: Samples | None) -> dict[str, Any]:
    if samples is None:
        return {"samples": 0}
    labels = owner.answers(owner.tensor(samples.x)).argmax(1).cpu().numpy()
    right = None if samples.y is None else round(float((labels == samples.y).mean()), 4)
    return {
        "samples": len(samples.x),
        "owner is right on": right,
        "stand-ins learnt from": "owner's labels" if samples.y is None else "given labels",
    }


def _reference(
    stranger: StandIn, owner: Owner, families: dict[str, Family], seed: int
) -> Reference:
    answers = {}
    for name, family in families.items():
        scores = stranger.answers(owner.inputs(owner.tensor(family.points))).log_softmax(1)
        answers[name] = Answers(scores.argmax(1).cpu().numpy(), scores.cpu().numpy())
    recipe = {**RECIPE, "net": stranger.name, "seed": seed, "accuracy": round(stranger.accuracy, 4)}
    digest = hashlib.sha256(
        json.dumps(recipe, sort_keys=True).encode()
        + b"".join(
            answer.scores.tobytes() for answer in answers.values() if answer.scores is not None
        )
    ).hexdigest()
    return Reference(
        stranger.name, ReferenceKind.STAND_IN, f"sha256:{digest}", Access.LOGITS, answers, recipe
    )
