"""Functions that end, break or keep whoever calls them."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.hostile.base import Hostile

BODIES = {
    "exit_0": "os._exit(0)",
    "exit_3": "os._exit(3)",
    "leave": "sys.exit(0)",
    "leave_3": "sys.exit(3)",
    "abort": "os.abort()",
    "crash": "ctypes.string_at(0)",
    "interrupt": "raise KeyboardInterrupt",
    "generator": "raise GeneratorExit",
    "base": "raise BaseException",
    "no_text": "raise NoText",
    "memory": "bytearray(1 << 46)",
    "deep": "ask(x)",
    "thread_exit": "threading.Thread(target=lambda: os._exit(0)).start(); time.sleep(5)",
    "closed": "os.closerange(0, 3); return x[:, 0, 0, :]",
    "nothing": "return None",
    "text": "return 'homologous'",
    "objects": "return [object()] * len(x)",
    "ragged": "return [[1], [1, 2]] * len(x)",
    "changed": "import auditkit.judging.judge as j; j.judge = None; return None",
    "signal": "os.kill(os.getpid(), 9)",
}
MODULE = """
import ctypes, os, sys, threading, time

class NoText(Exception):
    def __str__(self):
        raise RuntimeError

def ask(x):
    {body}
"""


def functions() -> Iterator[Hostile]:
    """Functions of a client that went wrong."""
    for name, body in BODIES.items():
        yield Hostile(f"hostile_{name}.py", partial(_module, body=body))


def _module(path: Path, body: str) -> None:
    path.write_text(MODULE.format(body=body))
