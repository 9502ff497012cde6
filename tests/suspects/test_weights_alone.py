"""Files that hold weights and no program: they are compared, and nothing is asked."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from auditkit import api
from auditkit.core.fingerprint import OwnWeights
from auditkit.core.requests import Asking, Options
from auditkit.core.verdicts import Decision, ReasonCode, Refusal
from auditkit.core.weights import layers, sketch
from auditkit.files import evidence
from auditkit.judging.judge import judge
from auditkit.suspects.seen_weights import compared

pytestmark = pytest.mark.torch
ASKING = Asking(options=Options("cpu"))
OWNER, STRANGER = (np.random.default_rng(seed).normal(size=(64, 96)) for seed in (0, 1))
TUNED = OWNER + 0.2 * STRANGER


@pytest.fixture
def scratch(bundle):
    """The bundle of an owner that was trained from scratch."""
    own = OwnWeights(sketch(layers([("w", OWNER)]), 0), 0.8, from_scratch=True)
    made = bundle.fingerprint
    made = replace(made, weights=own, identifications=(*made.speaking, "weights"))
    return replace(bundle, fingerprint=made)


def state(weights):
    """A state dict."""
    rows = torch.from_numpy(weights.astype(np.float32))
    return {"module.body.weight": rows, "module.body.bias": torch.zeros(len(rows))}


WAYS = {
    "plain.pth": torch.save,
    "half.ckpt": lambda s, p: torch.save({name: one.half() for name, one in s.items()}, p),
    "epochs.pt": lambda s, p: torch.save({"epoch": 3, "state_dict": s, "optimizer": {}}, p),
    "old.pt": lambda s, p: torch.save(s, p, _use_new_zipfile_serialization=False),
    "s.safetensors": lambda s, p: save_file(s, p),
}


def audited(bundle, path):
    """What is said of a file, opened behind walls."""
    [found] = api.audit(bundle, [str(path)], ASKING)
    return found


@pytest.mark.parametrize("name", WAYS)
def test_saved_weights_accuse_and_clear_nobody(scratch, tmp_path, name):
    """A copy is pirated by what it was saved as; a stranger is inconclusive, and hears why."""
    path = tmp_path / name
    WAYS[name](state(TUNED), path)
    assert audited(scratch, path).outcome.decision is Decision.PIRATED
    WAYS[name](state(STRANGER), path)
    found = audited(scratch, path).outcome
    assert (found.decision, found.queries) == (Decision.INCONCLUSIVE, 0)
    assert found.reason.code == ReasonCode.WEIGHTS_ALONE


def test_evidence_of_weights_alone_is_judged_again(scratch, tmp_path):
    """A second auditor, who has bundle and evidence, gets the same verdict."""
    torch.save(state(TUNED), tmp_path / "m.pth")
    first = audited(scratch, tmp_path / "m.pth")
    evidence.write(first.evidence, scratch, tmp_path / "e.evidence")
    again = judge(scratch, evidence.read(tmp_path / "e.evidence", scratch))
    assert again == first.outcome


class Hidden:
    """An object of a class that only its author has."""


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (lambda p: torch.save({"model": Hidden()}, p), "holds more than weights"),
        (lambda p: torch.save({"epoch": 3}, p), "pickled checkpoint without weights"),
        (lambda p: p.write_bytes(pickle.dumps(state(TUNED))), "holds more than weights"),
        (lambda p: torch.save(state(OWNER[:7, :9]), p), "no tensor of a shape that the bundle"),
        (lambda p: torch.save({"bias": torch.zeros(4)}, p), "holds no weights"),
    ],
)
def test_what_holds_no_comparable_weights_is_one_line(scratch, tmp_path, write, line):
    """Nothing that its author wrote is run, and nothing is judged."""
    write(tmp_path / "m.pth")
    found = audited(scratch, tmp_path / "m.pth").outcome
    assert isinstance(found, Refusal)
    assert line in found.reason
    assert "\n" not in found.reason


def test_tensors_count_as_compared_as_often_as_the_owner_has_them():
    """A file that computes one layer in two branches has a half that nothing was compared with."""
    kept = sketch(layers([("w", OWNER)]), 0)
    shown = layers([("w", STRANGER), ("v", TUNED - STRANGER)])
    assert compared(shown[:1], kept, [], 5).compared == 1
    assert compared(shown, kept, [], 5).compared == 0.5
    wide = layers([("w", STRANGER.T), ("more", np.ones((64, 32)))])
    assert compared(wide, kept, [], 5).compared == 0.75
