"""Three plug-ins for auditkit; pyproject.toml beside this file says under which names."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from auditkit.adapters.base import Kind, Port
from auditkit.core.escape import clean
from auditkit.core.evidence import Evidence
from auditkit.core.points import CORE
from auditkit.core.requests import Options
from auditkit.core.verdicts import Decision, Identification, Reason, Refusal
from auditkit.files.bundle import Bundle
from auditkit.reports.base import Report, Screen
from auditkit.reports.wording import sentence


class LinearSuspect:
    """A linear classifier, kept as the (features, classes) matrix that `numpy.save` wrote."""

    def __init__(self, source: str, _options: Options) -> None:
        data = Path(source).read_bytes()  # whatever this raises becomes a refusal in one line
        self._weights = np.load(io.BytesIO(data), allow_pickle=False).astype(np.float32)
        features, _ = self._weights.shape
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.port = Port(identity=digest, digest=digest, shape=(features,))
        self.runtime: Mapping[str, str] = {"numpy": np.__version__}

    def answer(self, batch: np.ndarray) -> np.ndarray:
        """(b, features) float32 -> (b, classes) scores."""
        scores: np.ndarray = batch @ self._weights
        return scores

    def close(self) -> None:
        """Nothing is open."""


LINEAR = Kind(LinearSuspect, suffixes=(".linear",))
"""Asks `linear:FILE`, by the entry point's name, and every file that ends in `.linear`."""


def weigh_second_best(bundle: Bundle, evidence: Evidence) -> Identification:
    """How often the suspect's second best class is the owner's, on core points.

    It has a say only for bundles that name it.
    """
    name, sheet = "second_best", bundle.fingerprint.sheet
    rows = sheet.rows(CORE) & evidence.answers.answered
    scores = evidence.answers.scores
    if scores is None or scores.shape[1] != sheet.outputs.shape[1] or not rows.any():
        why = Reason("second-best-unknown", {"text": "scores for the owner's classes are needed"})
        return Identification(name, None, why)
    seconds = [part[rows].argsort(axis=1)[:, -2] for part in (scores, sheet.outputs)]
    share = float((seconds[0] == seconds[1]).mean())
    told = f"{share:.0%} of core points have the owner's second best class"
    says = Decision.PIRATED if share > 0.8 else Decision.HOMOLOGOUS
    return Identification(name, says, Reason("second-best", {"text": told}), share, 0.8)


def render_lines(report: Report, screen: Screen) -> bytes:
    """One line for each suspect: who, what, why."""
    lines = []
    for outcome in report.outcomes:
        if isinstance(outcome, Refusal):
            who, what, why = outcome.suspect, "refused", outcome.reason
        else:
            who, what = outcome.suspect.name, str(outcome.decision)
            why = sentence(outcome.reason)
        # A suspect's name may hold anything, so it is made harmless before a terminal sees it.
        lines.append("\t".join((clean(who), what, clean(why, 400))))
    return ("\n".join(lines) + "\n").encode(screen.encoding, "backslashreplace")
