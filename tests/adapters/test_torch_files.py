"""TorchScript and .pt2 files run their author's code, so nobody opens them unasked."""

import io
import json
import os
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

from auditkit import adapters, api
from auditkit.core.errors import SuspectLoadError
from auditkit.core.requests import Asking, Isolation, Options
from auditkit.core.verdicts import Decision, Refusal, Verdict
from tests.conftest import CLASSES, WEIGHTS

pytestmark = pytest.mark.torch


class Linear(torch.nn.Module):
    """The linear owner."""

    def __init__(self):
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(WEIGHTS))

    def forward(self, x):
        """(n, 1, 4, 4) -> (n, 5)."""
        return x.flatten(1) @ self.weights


class Command:
    """Unpickling it runs a command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"echo was here > {self.mark}",)


def scripted(path: Path) -> Path:
    """The owner as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Linear().eval()), str(path))
    return path


def exported(path: Path) -> Path:
    """The owner as a .pt2 archive."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = {0: torch.export.Dim("n", min=1, max=1000)}
        example = (torch.zeros(2, 1, 4, 4),)
        torch.export.save(torch.export.export(Linear(), example, dynamic_shapes=(batch,)), path)
    return path


def hostile(path: Path, mark: Path) -> Path:
    """The same with one tensor pickled, as torch.export allows, and a command in the pickle."""
    pickled = io.BytesIO()
    torch.save(Command(mark), pickled)
    with zipfile.ZipFile(exported(path)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    [listing] = [name for name in members if name.endswith("weights_config.json")]
    config = json.loads(members[listing])
    [tensor] = config["config"].values()
    tensor["use_pickle"] = True
    members[listing] = json.dumps(config).encode()
    members[f"{listing.rpartition('/')[0]}/{tensor['path_name']}"] = pickled.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def refusal(bundle, path: Path) -> Refusal:
    """What an audit makes of the file when nobody vouches for its author."""
    [found] = api.audit(bundle, [str(path)])
    assert isinstance(found.outcome, Refusal)
    assert found.evidence is None
    return found.outcome


def test_a_command_in_a_pt2_file_does_not_run(tmp_path, bundle):
    """The file is refused in one line, and its command has done nothing."""
    mark = tmp_path / "mark"
    found = refusal(bundle, hostile(tmp_path / "model.pt2", mark))
    assert found.code == "cannot-open"
    assert "\n" not in found.reason
    assert not mark.exists()


def test_the_command_would_run_if_the_file_were_opened(tmp_path):
    """The premise of the test above: without walls, what the author wrote is run."""
    mark = tmp_path / "mark"
    hostile(tmp_path / "model.pt2", mark)
    with pytest.raises(SuspectLoadError):
        adapters.open_suspect(adapters.identified(str(tmp_path / "model.pt2")), Options("cpu"))
    assert mark.exists()


@pytest.mark.parametrize("make", [scripted, exported])
@pytest.mark.parametrize("suffix", [".pt", ".pt2"])
def test_what_torch_wrote_is_not_opened_without_isolation(tmp_path, bundle, make, suffix):
    """TorchScript as well as .pt2, under either suffix."""
    path = make(tmp_path / f"model{suffix}")
    asking = Asking(options=Options("cpu", isolation=Isolation.OFF))
    [found] = api.audit(bundle, [str(path)], asking)
    assert found.outcome.code == "not-isolated"


@pytest.mark.parametrize("make", [scripted, exported])
def test_files_of_torch_are_judged(tmp_path, bundle, make):
    """The owner itself is pirated, in either form."""
    path = make(tmp_path / "model.pt2")
    asking = Asking(options=Options("cpu"))
    [found] = api.audit(bundle, [str(path)], asking)
    assert isinstance(found.outcome, Verdict), found
    assert found.outcome.decision is Decision.PIRATED
    assert found.evidence.classes == CLASSES
