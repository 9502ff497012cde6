"""Records how models that were made with a fingerprint answer its points."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from auditkit.core.access import Access
from auditkit.core.answers import Answers
from auditkit.core.arrays import FloatArray, JsonObject, Rows
from auditkit.core.fingerprint import OwnWeights, Siblings
from auditkit.core.models import Reference, ReferenceKind
from auditkit.core.points import CORE, Sheet
from auditkit.core.provenance import sha256
from auditkit.core.weights import Sketch, sketch
from auditkit.files.unfinished import Part, Unfinished
from auditkit.fingerprints.measuring import MeasuredCopy
from auditkit.owner.classifier import Owner
from auditkit.owner.lineup import Twin
from auditkit.owner.standins import RECIPE, StandIn
from auditkit.owner.training.recipes import OWN_NET
from auditkit.owner.training.siblings import EPOCHS, Sibling
from auditkit.owner.weights import layers_of
from auditkit.suspects.seen_weights import compared

SAID = "said"
"""Name of the array of answers in a part."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorder:
    """Asks models about a sheet's points."""

    owner: Owner
    sheet: Sheet
    seed: int
    """Fixes the projections of the weights that are kept."""
    unfinished: Unfinished

    def stand_in(self, stranger: StandIn) -> Reference:
        """Return a stand-in with its answers."""
        # The recipe goes into the digest; rounding keeps it free of float32's last digits.
        accuracy = round(stranger.accuracy, 4)
        recipe = {**RECIPE, "net": stranger.name, "seed": self.seed, "accuracy": accuracy}

        def scores(points: Tensor) -> Tensor:
            return stranger.answers(self.owner.inputs(points))

        return self._asked(stranger.name, ReferenceKind.STAND_IN, scores, recipe)

    def sibling(self, sibling: Sibling) -> Reference:
        """Return a sibling with its answers."""
        recipe = {
            "net": OWN_NET,
            "learnt": "the owner's probabilities for samples and mixtures",
            "epochs": EPOCHS,
            "peak learning rate": sibling.rate,
            "seed": sibling.seed,
            "accuracy": round(sibling.accuracy, 4),
        }
        name, scores = f"sibling {sibling.seed}", sibling.net.answers
        return self._asked(name, ReferenceKind.SIBLING, scores, recipe)

    def twin(self, twin: Twin) -> Reference:
        """Return a twin with its answers and what is kept of its weights."""
        made = self._asked(twin.name, ReferenceKind.TWIN, twin.scores, twin.facts)
        net = twin.net
        kept = None if net is None else sketch(layers_of(net.model.module), self.seed)
        return replace(made, digest=twin.digest, weights=kept)

    def copies(
        self, own: OwnWeights | None, twins: list[Reference], made: Iterator[MeasuredCopy]
    ) -> Iterator[Reference]:
        """Yield measured copies with their answers, and how alike their weights are.

        Args:
            own: What is kept of the owner's weights.
            twins: The twins, as they were recorded.
            made: The copies.
        """
        known = [twin.weights for twin in twins if twin.weights is not None]
        for copy in made:
            part = self.unfinished.part(copy.name, partial(self._measured, copy, own, known))
            said = part.arrays[SAID]
            yield _reference(copy.name, ReferenceKind.MEASURED_COPY, said, part.facts)

    def _measured(self, copy: MeasuredCopy, own: OwnWeights | None, twins: list[Sketch]) -> Part:
        """Make a copy, and return its answers with what is told of it."""
        net = copy.make()
        recipe: JsonObject = {"how": copy.how, "broken": not copy.works(net)}
        if own is not None:
            layers, classes = layers_of(net.model.module), self.owner.record.classes
            seen = compared(layers, own.sketch, twins, classes)
            recipe |= {} if seen is None else {"weights": list(seen.likeness)}
        return Part({SAID: self._said(net.answers)}, recipe)

    def _asked(
        self,
        name: str,
        kind: ReferenceKind,
        scores: Callable[[Tensor], Tensor],
        recipe: JsonObject,
    ) -> Reference:
        part = self.unfinished.part(f"{kind} {name}", lambda: Part({SAID: self._said(scores)}))
        return _reference(name, kind, part.arrays[SAID], recipe)

    def _said(self, scores: Callable[[Tensor], Tensor]) -> FloatArray:
        """Return (n, classes) log-probabilities of the sheet's points."""
        found = scores(self.owner.tensor(self.sheet.points)).log_softmax(1)
        said: FloatArray = found.cpu().numpy()
        return said


def _reference(name: str, kind: ReferenceKind, said: Rows, recipe: JsonObject) -> Reference:
    """Return a model with its answers; its digest is that of its recipe and its answers.

    Models that are in no file have no other.
    """
    digest = sha256(json.dumps(recipe, sort_keys=True).encode() + said.tobytes())
    return Reference(name, kind, digest, Answers(said.argmax(1), said, Access.LOGITS), recipe)


def shares(siblings: list[Reference], sheet: Sheet, remark: str) -> Siblings:
    """Return the shares of core points that siblings give the owner's label."""
    core = sheet.rows(CORE)
    same = [(known.answers.labels == sheet.labels)[core].mean() for known in siblings]
    return Siblings(tuple(round(float(share), 4) for share in same), remark)
