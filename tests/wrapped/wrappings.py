"""Every kind of wrapping, named once, with the carriers that it is tried through.

A wrapping says what the suspect takes, how that becomes the net's input, and what of the net's
scores it gives back.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tests.wrapped import forms
from tests.wrapped.forms import JSON, Form
from tests.wrapped.nets import CLASSES, SHAPE, Net

FILES = ("onnx", "script", "pt2")
SERVED = ("oip", "predict")
ALL = (*FILES, "python", *SERVED, "described")
Enter = Callable[[Tensor], Tensor]
Given = Tensor | dict[str, Tensor] | tuple[Tensor, ...]


@dataclass(frozen=True)
class Inside:
    """What a net computed, of which a wrapping gives something back."""

    scores: Tensor  # (n, 10) logits
    features: Tensor  # (n, 24)
    decoy: Callable[[], Tensor]
    """(n, 10) logits of another net."""


@dataclass(frozen=True)
class Wrapping:
    """One kind of wrapping."""

    name: str
    carriers: tuple[str, ...]
    shape: tuple[int, ...] = SHAPE
    """Of one point."""
    enter: Enter = lambda x: x
    """From what the suspect takes to (n, 1, 8, 8) in 0..1."""
    leave: Callable[[Inside], Given] = lambda i: i.scores
    dtype: torch.dtype = torch.float32
    batch: int | None = None
    """The only number of points that is taken; None: any; 0: one, without an axis for it."""
    axis: int = 0
    """Which axis counts the points."""
    most: int | None = None
    """The largest number of points that a .pt2 says it takes."""
    keyword: str = ""
    """The name by which alone a .pt2 takes its input."""
    form: Form = field(default=JSON)
    """How the API of the carrier `described` is asked."""
    beside: bool = False
    """Whether an ONNX file's weights lie in another file."""

    def example(self, count: int) -> Tensor:
        """So many points as the suspect takes them."""
        if self.batch == 0:
            return torch.zeros(self.shape, dtype=self.dtype)
        sizes = list(self.shape)
        sizes.insert(self.axis, self.batch or count)
        return torch.zeros(sizes, dtype=self.dtype)


class Wrapped(nn.Module):
    """A net within a wrapping."""

    def __init__(self, net: Net, decoy: Net, wrapping: Wrapping) -> None:
        super().__init__()
        self.net, self.decoy, self.wrapping = net, decoy, wrapping

    def forward(self, x: Tensor) -> Given:
        """Whatever the wrapping takes -> whatever it gives."""
        entered = self.wrapping.enter(x)
        # Half precision is how the weights are kept as well, as `.half()` leaves them.
        if entered.dtype in (torch.float16, torch.bfloat16, torch.float64):
            entered = entered.float()
        features = self.net.features(entered)
        inside = Inside(self.net.head(features), features, lambda: self.decoy(entered))
        return self.wrapping.leave(inside)


def pixels(x: Tensor) -> Tensor:
    """Whole numbers 0 to 255 as the net's input."""
    return x.float() / 255


def softmax(i: Inside) -> Tensor:
    """Probabilities."""
    return i.scores.softmax(1)


def best(i: Inside) -> dict[str, Tensor]:
    """The three best classes and their probabilities."""
    values, indices = i.scores.softmax(1).topk(3, 1)
    return {"values": values, "indices": indices}


def widened(scores: Tensor, before: int, behind: int) -> Tensor:
    """Scores with classes that the owner lacks, which no point has."""
    low = scores.min(1, keepdim=True).values - 2
    return torch.cat([low.repeat(1, before), scores, low.repeat(1, behind)], 1)


INPUTS = (
    Wrapping("as it is", ALL),
    Wrapping("flat input", ALL, (64,), lambda x: x.reshape(-1, *SHAPE), form=forms.FLAT),
    Wrapping("channels last", (*FILES, *SERVED, "described"), (8, 8, 1),
             lambda x: x.permute(0, 3, 1, 2), form=forms.LAST),
    Wrapping("no channel axis", ("onnx", "script", "oip"), (8, 8), lambda x: x.unsqueeze(1)),
    Wrapping("uint8 pixels", (*FILES, *SERVED, "described"), enter=lambda x: pixels(x >> 0),
             dtype=torch.uint8, form=forms.PIXELS),
    Wrapping("int8 pixels", ("onnx", "pt2", "oip"), enter=lambda x: (x.float() + 128) / 255,
             dtype=torch.int8),
    Wrapping("int32 pixels", ("onnx", "pt2", "oip"), enter=pixels, dtype=torch.int32),
    Wrapping("int64 pixels", ("onnx",), enter=pixels, dtype=torch.int64),
    Wrapping("uint8 pixels, channels last", ("onnx", "oip", "predict"), (8, 8, 1),
             lambda x: pixels(x).permute(0, 3, 1, 2), dtype=torch.uint8),
    Wrapping("half precision", ("onnx", "script", "oip"), dtype=torch.float16),
    Wrapping("bfloat16", FILES, dtype=torch.bfloat16),
    Wrapping("bfloat16 within", ("onnx", "script"), leave=lambda i: (
        i.scores.bfloat16() @ torch.eye(CLASSES, dtype=torch.bfloat16)).float()),
    Wrapping("double", ("onnx", "script", "oip"), dtype=torch.float64),
    Wrapping("batch of 1 in a reshape", ("onnx", "script", "python", "oip", "predict"),
             enter=lambda x: x.reshape(1, *SHAPE), batch=1),
    Wrapping("batch of 12 in a reshape", (*FILES, "oip"), enter=lambda x: x.reshape(12, *SHAPE),
             batch=12),
    Wrapping("at most 32 points", ("pt2",), most=32),
    Wrapping("no batch axis", (*FILES, "oip"), enter=lambda x: x.reshape(1, *SHAPE), batch=0),
    Wrapping("points on the last axis", ("onnx", "pt2"), (1, 8, 8), lambda x: x.permute(3, 0, 1, 2),
             axis=3),
    Wrapping("by keyword", ("pt2",), keyword="pixel_values"),
    Wrapping("pixels 0 to 255 as floats", ("onnx", "script", "python", "oip"), enter=pixels),
    Wrapping("pixels -1 to 1", ("onnx", "predict"), enter=lambda x: x / 2 + 0.5),
    Wrapping("MNIST's mean and deviation", ("onnx", "described"),
             enter=lambda x: x * 0.3081 + 0.1307),
    Wrapping("width before height", ("onnx", "script", "oip"), enter=lambda x: x.transpose(2, 3)),
    Wrapping("inverted", ("onnx", "python", "predict"), enter=lambda x: 1 - x),
    Wrapping("weights beside the file", ("onnx",), beside=True),
    Wrapping("picture file uploaded", ("described",), form=forms.UPLOAD),
    Wrapping("picture file as the body", ("described",), form=forms.BODY),
    Wrapping("data URL", ("described",), form=forms.DATA_URL),
)  # fmt: skip
"""Ways in."""

OUTPUTS = (
    Wrapping("dict of outputs", ("script", "pt2", "python"), leave=lambda i: {"logits": i.scores}),
    Wrapping("tuple, features first", (*FILES, "python", *SERVED),
             leave=lambda i: (i.features, i.scores)),
    Wrapping("features behind", ("onnx", "oip"),
             leave=lambda i: {"logits": i.scores, "pooled": i.features}),
    Wrapping("a decoy first", (*FILES, "python", *SERVED),
             leave=lambda i: {"head_0": i.decoy(), "head_1": i.scores}),
    Wrapping("a decoy behind", ("onnx", "script", "oip", "predict"),
             leave=lambda i: {"head_0": i.scores, "head_1": i.decoy()}),
    Wrapping("label beside a decoy", ("onnx", "oip"),
             leave=lambda i: {"label": i.scores.argmax(1), "aux": i.decoy()}),
    Wrapping("labels alone", ALL, leave=lambda i: i.scores.argmax(1), form=forms.LABELS),
    Wrapping("labels with an axis", ("onnx", "predict"),
             leave=lambda i: i.scores.argmax(1, keepdim=True)),
    Wrapping("top-k pairs", (*FILES, "python", *SERVED, "described"), leave=best, form=forms.BEST),
    Wrapping("top-k turned", ("onnx", "oip"), leave=lambda i: {
        "classes": best(i)["indices"], "confidence": best(i)["values"]}),
    Wrapping("softmax", ALL, leave=softmax),
    Wrapping("softmax beside labels", ("onnx", "oip", "predict"),
             leave=lambda i: {"label": i.scores.argmax(1), "probability": softmax(i)}),
    Wrapping("log-softmax", ("onnx", "script", "predict"), leave=lambda i: i.scores.log_softmax(1)),
    Wrapping("percent", ("onnx", "script", "oip", "described"),
             leave=lambda i: softmax(i) * 100),
    Wrapping("percent with one decimal", ("onnx", "python", "predict"),
             leave=lambda i: (softmax(i) * 1000).round() / 10),
    Wrapping("percent as texts", ("described",), leave=softmax, form=forms.PERCENT),
    Wrapping("per mille", ("onnx", "pt2", "oip"), leave=lambda i: (softmax(i) * 1000).round()),
    Wrapping("sigmoid", ("onnx", "script", "predict", "described"),
             leave=lambda i: (i.scores - 8).sigmoid()),
    Wrapping("two decimals", ("onnx", "predict", "described"),
             leave=lambda i: (softmax(i) * 100).round() / 100),
    Wrapping("uint8 scores", ("onnx",),
             leave=lambda i: (softmax(i) * 255).round().to(torch.uint8)),
    Wrapping("int8 scores", ("onnx", "script", "oip"),
             leave=lambda i: (i.scores * 4).round().clamp(-128, 127).to(torch.int8)),
    Wrapping("int32 scores", ("onnx",), leave=lambda i: (i.scores * 1000).round().int()),
    Wrapping("half precision scores", ("onnx", "script", "oip"), leave=lambda i: i.scores.half()),
    Wrapping("log of half probabilities", ("onnx",),
             leave=lambda i: softmax(i).half().log().float()),
    Wrapping("a class at minus infinity", ("onnx", "script"), leave=lambda i: torch.cat(
        [i.scores, torch.full_like(i.scores[:, :1], float("-inf"))], 1)),
    Wrapping("background first", ("onnx", "script", "oip", "predict"),
             leave=lambda i: widened(i.scores, 1, 0)),
    Wrapping("one class added", ("onnx", "oip", "described"),
             leave=lambda i: widened(i.scores, 0, 1)),
    Wrapping("five classes added", ("onnx", "python"), leave=lambda i: widened(i.scores, 0, 5)),
    Wrapping("the first eight classes", ("onnx", "script", "predict"),
             leave=lambda i: i.scores[:, :8]),
    Wrapping("labels from 1", ("onnx", "python", "predict"),
             leave=lambda i: i.scores.argmax(1) + 1),
    Wrapping("another class order", ("onnx", "oip", "described"), leave=lambda i: i.scores[
        :, torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])]),
    Wrapping("scores with axes of size 1", ("onnx", "script"),
             leave=lambda i: i.scores[..., None, None]),
    Wrapping("squeezed answers", ("onnx", "script", "python", "oip"),
             enter=lambda x: x.reshape(1, *SHAPE), batch=1, leave=lambda i: i.scores.squeeze(0)),
    Wrapping("scores of each crop", ("python",), leave=lambda i: {"logits": i.scores, "crops":
             i.scores[:, None].repeat(1, 3, 1)}),
)  # fmt: skip
"""Ways out."""
WRAPPINGS = (*INPUTS, *OUTPUTS)
