"""What errors of runtimes and wrong files mean, in one line with the cure where it is known."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from auditkit.core.escape import first_line

LONGEST = 200
"""Characters of a foreign message that are repeated."""
NEWER = "bring onnxruntime up to date, or ask for a file that was exported for an older one"

FLOAT32_WANTED = (
    "ask for the file exported in float32 (model.float()), or for TorchScript or .pt2, which torch "
    "runs"
)


@dataclass(frozen=True, slots=True)
class _Known:
    """A message that is understood."""

    pattern: str
    """Regular expression that is looked for in the whole message."""
    says: Callable[[re.Match[str]], str]


KNOWN = (
    _Known(
        r"Unsupported model IR version: (\d+), max supported IR version: (\d+)",
        lambda m: f"it has IR version {m[1]}, this onnxruntime reads up to {m[2]}; {NEWER}",
    ),
    _Known(
        r"Opset (\d+) is under development.*domain (\S+) is till opset (\d+)",
        lambda m: f"it has opset {m[1]} of {m[2]}, this onnxruntime knows up to {m[3]}; {NEWER}",
    ),
    _Known(
        r"(\S+?)(?:\(-?\d+\))? is not a registered function/op",
        lambda m: (
            f"it uses the operator {m[1]}, which onnxruntime does not have; ask for a file "
            "of standard operators, or ask the model through python:module:function"
        ),
    ),
    _Known(
        r"Could not find an implementation for (\w+)",
        lambda m: (
            f"onnxruntime has no {m[1]} for the number type that the file has there, mostly "
            f"bfloat16; {FLOAT32_WANTED}"
        ),
    ),
    _Known(
        r"Type '(?:tensor\()?(\w+)\)?' of input parameter \([^)]*\) of operator \((\w+)\)",
        lambda m: (
            f"its {m[2]} takes {m[1]} numbers, which its opset does not have; {FLOAT32_WANTED}"
        ),
    ),
    _Known(
        r"protobuf parsing failed",
        lambda _: "it is no ONNX model, or is cut off; fetch it again",
    ),
    _Known(
        r"required keyword attribute 'value' is undefined",
        lambda _: (
            "it was optimised for inference on one machine, which no other can open; ask for "
            "the file before torch.jit.optimize_for_inference"
        ),
    ),
    _Known(
        r"Cannot initialize CUDA|from the 'CUDA' backend|Torch not compiled with CUDA"
        r"|No CUDA GPUs are available|Found no NVIDIA driver",
        lambda _: (
            "it has a CUDA device written into it, and torch sees none here; check it on a "
            "machine with one, or ask for a file that was traced on the CPU"
        ),
    ),
    _Known(
        r"(CUDA|CUDNN|CUBLAS) failure (\d+): ([^;\n]+)",
        lambda m: f"{m[1]} fails on this card: {m[3].strip()} ({m[2]})",
    ),
    _Known(
        r"running (\S+) node\. Name:'([^']*)' Status Message: (?:/\S+:\d+ )?(?:.*\) )?([^\n]+)",
        lambda m: f"its node {m[2][:60] or m[1]} ({m[1]}) says: {m[3].strip()}",
    ),
)
"""In the order in which they are looked for."""


def reason(error: BaseException) -> str:
    """Say in one line why a runtime failed, in its own words where they are not known."""
    try:
        text = str(error)
    except Exception:  # a stranger's error may fail even at telling what it is
        return first_line(error)
    for known in KNOWN:
        found = re.search(known.pattern, text, re.DOTALL)
        if found is not None:
            return " ".join(known.says(found).split())[: 2 * LONGEST]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # TorchScript's first lines are its traceback, and its last one is the error.
    is_traced = any(line.startswith("Traceback of TorchScript") for line in lines)
    line = lines[-1] if is_traced else first_line(error)
    return line.removeprefix("[ONNXRuntimeError] : ")[:LONGEST]


def no_model(data: bytes) -> str | None:
    """Say what a file is that no adapter of files takes; None if it may be a model."""
    start = data[:512].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS, not the file itself; fetch it with git lfs pull"
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "is a web page, not a model; download the file itself, signed in if that is needed"
    if data.startswith(b"\x1f\x8b"):
        return "is packed with gzip; unpack it first (gunzip)"
    if data.startswith((b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"\x28\xb5\x2f\xfd")):
        return "is a packed archive; unpack it first"
    return None
