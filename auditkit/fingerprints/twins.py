"""Opens the owner's twins, and checks that the owner passes for one of them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from auditkit.adapters import identified, open_suspect
from auditkit.adapters.base import AT_ONCE
from auditkit.core.access import access_of
from auditkit.core.answers import answers_of, joined
from auditkit.core.arrays import DoubleArray, IntArray, JsonObject
from auditkit.core.errors import OwnerLoadError, SamplesError, SuspectError
from auditkit.core.fingerprint import FEWEST_TWINS, LineUpTerms
from auditkit.core.requests import Options, Patience
from auditkit.judging.lineup.ranking import gap_p, standing
from auditkit.owner.classifier import Owner, probed
from auditkit.owner.lineup import Twin
from auditkit.owner.opening import load_model
from auditkit.owner.samples import Samples
from auditkit.owner.training.shelf import learnt
from auditkit.suspects.client import Client
from auditkit.suspects.log import Memory

SUFFIXES = (".pt", ".pt2", ".onnx")
SEEN = 0.05
"""Share of samples that twins may have learnt: data sets hold some inputs twice."""
ODD = 0.01
"""An owner as unlike its twins as this share of true ones, or more so, is no twin."""


def open_twins(sources: Iterable[Path], owner: Owner, device: str) -> tuple[Twin, ...]:
    """Open folders of `auditkit twins`, folders of model files, or model files.

    Raises:
        OwnerLoadError: A twin can't be opened, is the owner's own file, is given twice, or fits
            neither the owner's input nor its classes.
    """
    twins: list[Twin] = []
    digests = {owner.model.digest: "the owner itself"}
    for file, facts in _listed(sources):
        twin = _opened(file, facts, owner, device)
        if twin.digest in digests:
            raise OwnerLoadError(
                f"the twin {str(file)!r} is the same file as {digests[twin.digest]}; twins are "
                "trained with different seeds"
            )
        digests[twin.digest] = repr(str(file))
        twins.append(twin)
    if twins and len(twins) < FEWEST_TWINS:
        raise OwnerLoadError(
            f"{len(twins)} twins were given, a line-up wants {FEWEST_TWINS} or more; 19 carry 5 %"
        )
    return tuple(twins)


def _listed(sources: Iterable[Path]) -> list[tuple[Path, JsonObject]]:
    """Return the model files with what their folders' manifests say of them."""
    found: list[tuple[Path, JsonObject]] = []
    for source in sources:
        if source.is_file():
            found.append((source, {}))
            continue
        files = [path for path in sorted(source.glob("*")) if path.suffix in SUFFIXES]
        if not files:
            raise OwnerLoadError(
                f"no twins in {str(source)!r}: wanted a folder of auditkit twins, or model files "
                f"({', '.join(SUFFIXES)})"
            )
        known = _manifest(source / "manifest.json")
        # Files that a run was killed over are not in the manifest.
        found += [(f, known.get(f.name, {})) for f in files if not known or f.name in known]
    return found


def _manifest(path: Path) -> dict[str, JsonObject]:
    if not path.exists():
        return {}
    try:
        listed = json.loads(path.read_text())["models"]
        return {
            str(entry["file"]): {key: entry[key] for key in ("seed", "accuracy") if key in entry}
            for entry in listed
        }
    except (ValueError, KeyError, TypeError) as error:
        raise OwnerLoadError(f"{str(path)!r} is no manifest of auditkit twins") from error


def check_unseen(sources: Iterable[Path], samples: Samples | None) -> None:
    """Refuse samples that `auditkit twins` trained the twins on.

    Twins that learnt the samples differ from the owner on exactly these inputs, and so does every
    innocent: all of them would look like copies.

    Raises:
        SamplesError: More than a few of them are the same.
    """
    for source in sources:
        rows = None if samples is None else learnt(source)
        if samples is None or rows is None:
            continue
        share = float(np.isin(samples.rows(), rows).mean())
        if share > SEEN:
            raise SamplesError(
                f"the twins in {str(source)!r} were trained on {share:.0%} of these samples; give "
                "--samples that neither the model nor a twin has learnt"
            )


def _opened(file: Path, facts: JsonObject, owner: Owner, device: str) -> Twin:
    if file.suffix == ".onnx":
        return _asked_through_onnx(file, facts, owner, device)
    net = probed(load_model(str(file), None, owner.device), owner.spec, owner.device)
    _check_classes(file, net.record.classes, owner)
    return Twin(file.name, net.model.digest, net.answers, net, facts)


def _check_classes(file: Path, classes: int, owner: Owner) -> None:
    if classes != owner.record.classes:
        raise OwnerLoadError(
            f"the twin {str(file)!r} knows {classes} classes, the owner {owner.record.classes}"
        )


def _asked_through_onnx(file: Path, facts: JsonObject, owner: Owner, device: str) -> Twin:
    """Return a twin that answers, but gives no gradients."""
    try:
        adapter = open_suspect(identified(str(file)), Options(device))
    except SuspectError as error:
        raise OwnerLoadError(f"the twin {str(file)!r} can't be opened: {error}") from error
    client = Client(adapter, owner.spec, Patience(), Memory(), classes=owner.record.classes)

    def scores(points: Tensor) -> Tensor:
        rows = points.cpu().numpy()
        try:
            parts = [
                client.answer(rows[start : start + AT_ONCE], owner.spec)
                for start in range(0, len(rows), AT_ONCE)
            ]
            whole = joined(parts)
        except SuspectError as error:
            raise OwnerLoadError(f"the twin {str(file)!r} can't be asked: {error}") from error
        if whole.ndim != 2:
            raise OwnerLoadError(f"the twin {str(file)!r} gives labels; scores are needed")
        _check_classes(file, whole.shape[1], owner)
        level = access_of(whole)
        found = answers_of(whole, level, level).scores
        assert found is not None  # noqa: S101 - rows of scores give scores
        return owner.tensor(found)

    return Twin(file.name, adapter.port.digest or "unknown", scores, None, facts)


def doubt(owner: IntArray, twins: Sequence[IntArray], truth: IntArray | None) -> str:
    """Say why the owner does not pass for one of its twins; empty if it does.

    An owner that was picked as the best of many runs, that learnt more, or that was made in another
    way stands out from its twins by itself, and its rank before a suspect means nothing. Accuracy
    and mean agreement with the others are compared.

    Args:
        owner: (n,) labels for natural samples.
        twins: The same of each twin.
        truth: (n,) right labels; None: only agreement is compared.
    """
    labels = np.stack([owner, *twins])
    same = (labels[:, None] == labels[None]).mean(axis=2)
    agreed = (same.sum(axis=1) - 1) / (len(labels) - 1)
    measured = {"agrees with the others on": agreed}
    if truth is not None:
        measured["is right on"] = (labels == truth).mean(axis=1)
    for what, shares in measured.items():
        chance = gap_p(abs(float(standing(shares)[0])), len(twins), 2 * len(measured))
        if chance <= ODD:
            low, high = _range(shares)
            return (
                f"the owner {what} {shares[0]:.1%} of the samples, its twins on {low:.1%} to "
                f"{high:.1%}: it is not one of them"
            )
    return ""


def _range(shares: DoubleArray) -> tuple[float, float]:
    return float(shares[1:].min()), float(shares[1:].max())


def line_up_terms(owner: Owner, twins: tuple[Twin, ...], samples: Samples | None) -> LineUpTerms:
    """Return how many twins there are, and whether the owner passes for one of them.

    Args:
        owner: The model.
        twins: Its twins.
        samples: Natural samples that all of them are compared on.
    """
    if samples is None or not twins:
        return LineUpTerms()
    points = owner.tensor(samples.x)
    asked = [scores(points).argmax(1) for scores in (owner.answers, *(t.scores for t in twins))]
    own, *others = (labels.cpu().numpy() for labels in asked)
    return LineUpTerms(len(twins), doubt(own, others, samples.y))
