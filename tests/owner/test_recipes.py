"""The recipes hold with the real packages, on weights that are made on the spot."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from auditkit.core.requests import InputFacts
from auditkit.owner.classifier import place
from auditkit.owner.opening import load_model

CPU, SHAPE = torch.device("cpu"), (3, 32, 32)
POINTS = torch.from_numpy(np.random.default_rng(0).random((4, *SHAPE)).astype(np.float32))
NET = """
from torch import nn

class SmallNet(nn.Sequential):
    def __init__(self, width):
        super().__init__(nn.Flatten(), nn.Linear(3072, width), nn.ReLU(), nn.Linear(width, 10))
"""


def answers(source, weights=None, head=""):
    """What the owner behind a source says to the points."""
    model = load_model(source, weights, CPU, head)
    return place(model, InputFacts(SHAPE, (0.0, 1.0)), None, CPU)[0].answers(POINTS)


def package(name):
    """The package, or a skip where it is absent or does not go with what else is here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, exc_type=ImportError)


def test_timm(tmp_path):
    """A created model takes its weights, and its arguments from the command."""
    net = package("timm").create_model("resnet10t", num_classes=7).eval()
    torch.save(net.state_dict(), tmp_path / "w.pth")
    found = answers("timm:create_model('resnet10t', num_classes=7)", tmp_path / "w.pth")
    torch.testing.assert_close(found, net(POINTS))


def test_transformers(tmp_path):
    """What `save_pretrained` wrote is opened by `from_pretrained`, and its logits are read."""
    transformers = package("transformers")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
        num_labels=10,
    )
    net = transformers.ViTForImageClassification(config).eval()
    net.save_pretrained(tmp_path)
    source = f"transformers:AutoModelForImageClassification.from_pretrained({str(tmp_path)!r})"
    torch.testing.assert_close(answers(source, head="logits"), net(POINTS).logits)


def test_lightning(tmp_path):
    """A checkpoint of a trainer is the network's weights, whatever else is in it."""
    lightning = package("pytorch_lightning")
    (tmp_path / "net.py").write_text(NET)
    scope = {}
    exec(NET, scope)  # noqa: S102 - the text above

    class Task(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = scope["SmallNet"](8)
            self.loss = nn.CrossEntropyLoss(weight=torch.ones(10))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    task = Task()
    trainer = lightning.Trainer(
        logger=False, enable_checkpointing=False, accelerator="cpu", max_epochs=0
    )
    trainer.strategy.connect(task)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    found = answers(f"{tmp_path / 'net.py'}:SmallNet(width=8)", tmp_path / "last.ckpt")
    torch.testing.assert_close(found, task.net(POINTS))
