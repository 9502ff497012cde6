"""TorchScript, exported programs and pickles that do more than answer."""

import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import torch

from tests.conftest import COPY
from tests.hostile.base import Hostile, bytes_of

MARK = "/tmp/auditkit-was-here"  # noqa: S108 - nothing is ever written there


class Evaluated:
    """Unpickling it evaluates an expression."""

    def __init__(self, expression: str) -> None:
        self.expression = expression

    def __reduce__(self):
        return eval, (self.expression,)


class Called:
    """Unpickling it calls something."""

    def __init__(self, what: Callable[..., object], *arguments: object) -> None:
        self.what, self.arguments = what, arguments

    def __reduce__(self):
        return self.what, self.arguments


EXPRESSIONS = {
    "command": f"__import__('os').system('touch {MARK}')",
    "subprocess": f"__import__('subprocess').run(['touch', '{MARK}'])",
    "write": f"open('{MARK}', 'w').write('x')",
    "write-here": "open('mark', 'w').write('x')",
    "remove": "[__import__('os').unlink(f) for f in __import__('glob').glob('/tmp/auditkit-*')]",
    "socket": "__import__('socket').create_connection(('127.0.0.1', 9), 1)",
    "datagram": "__import__('socket').socket(2, 2).sendto(b'x', ('127.0.0.1', 9))",
    "web": "__import__('urllib.request').request.urlopen('http://127.0.0.1:9')",
    "exit-0": "__import__('os')._exit(0)",
    "exit-3": "__import__('os')._exit(3)",
    "leave": "__import__('sys').exit(0)",
    "abort": "__import__('os').abort()",
    "crash": "__import__('ctypes').string_at(0)",
    "fork": "[__import__('os').fork() for _ in range(9)]",
    "kill-parent": "__import__('os').kill(__import__('os').getppid(), 9)",
    "kill-group": "__import__('os').killpg(0, 9)",
    "endless": "[1 for _ in iter(int, 1)]",
    "asleep": "__import__('time').sleep(10**6)",
    "memory": "bytearray(1 << 45)",
    "growing": "[bytearray(1 << 28) for _ in range(1000)]",
    "threads": "[__import__('threading').Thread(target=lambda: [0 for _ in iter(int, 1)]).start()"
    " for _ in range(50)]",
    "deep": "(lambda f: f(f))(lambda f: f(f))",
    "interrupt": "(_ for _ in ()).throw(KeyboardInterrupt())",
    "print": 'print(\'\\x1b[2J{"suspects": ["homologous"]}\', flush=True)',
    "pipes": "[__import__('os').write(fd, b'x' * 99) for fd in range(3, 20)]",
    "close": "__import__('os').closerange(0, 1000)",
    "walls": "__import__('auditkit.suspects.isolation.walls').suspects.isolation.walls.held",
}


class Net(torch.nn.Module):
    """The copy."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.from_numpy(COPY.copy()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 1, 4, 4) -> (n, 5)."""
        return x.flatten(1) @ self.weights


@cache
def _exported() -> dict[str, bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = io.BytesIO()
        torch.export.save(torch.export.export(Net(), (torch.zeros(2, 1, 4, 4),)), file)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _pickled(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _zipped(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def programs() -> Iterator[Hostile]:
    """Exported programs with code where a tensor should be."""
    for name, expression in EXPRESSIONS.items():
        yield Hostile(f"weights-{name}.pt2", partial(in_weights, expression=expression))


def archives() -> Iterator[Hostile]:
    """Exported programs with code elsewhere, or without a part."""
    for name in ("command", "write", "exit-0"):
        write = partial(_in_samples, expression=EXPRESSIONS[name])
        yield Hostile(f"samples-{name}.pt2", write, honest=True)
        yield Hostile(f"misnamed-{name}.pt", partial(in_weights, expression=EXPRESSIONS[name]))
    yield Hostile("sympy.pt2", _in_sympy, honest=True)
    for name in ("models/model.json", "archive_version", "byteorder"):
        yield Hostile(
            f"without-{name.replace('/', '-')}.pt2", partial(_without, name=name), honest=True
        )


def in_weights(path: Path, expression: str) -> None:
    """Write a program that evaluates an expression when its weights are read."""
    members = dict(_exported())
    [listing] = [name for name in members if name.endswith("weights_config.json")]
    config = json.loads(members[listing])
    [tensor] = config["config"].values()
    tensor["use_pickle"] = True
    members[listing] = json.dumps(config).encode()
    place = f"{listing.rpartition('/')[0]}/{tensor['path_name']}"
    members[place] = _pickled(Evaluated(expression))
    _zipped(path, members)


def _in_samples(path: Path, expression: str) -> None:
    members = dict(_exported())
    [place] = [name for name in members if "sample_inputs" in name]
    _zipped(path, members | {place: _pickled(Evaluated(expression))})


def _in_sympy(path: Path) -> None:
    # torch reads symbolic sizes by evaluating them.
    members = dict(_exported())
    [place] = [name for name in members if name.endswith("models/model.json")]
    text = members[place].decode()
    evil = f"__import__('os').system('touch {MARK}')"
    changed = text.replace('"as_int": 2', f'"as_expr": {{"expr_str": "{evil}", "hint": null}}')
    _zipped(path, members | {place: changed.encode()})


def _without(path: Path, name: str) -> None:
    _zipped(path, {n: content for n, content in _exported().items() if not n.endswith(name)})


def pickles() -> Iterator[Hostile]:
    """Checkpoints, which are never opened."""
    for suffix in ("pt", "pth"):
        for name in ("command", "write", "exit-0", "socket"):
            content = _pickled({"state_dict": Evaluated(EXPRESSIONS[name])})
            yield bytes_of(f"checkpoint-{name}.{suffix}", content)
        yield bytes_of(f"called.{suffix}", _pickled(Called(os.system, f"touch {MARK}")))
        yield bytes_of(
            f"bare.{suffix}", b"\x80\x04cos\nsystem\n(S'touch " + MARK.encode() + b"'\ntR."
        )


SCRIPTS = {
    "write": "torch.save(y, '{mark}')",
    "write-forked": "y = torch.jit.wait(torch.jit.fork(kept, y))",
    "print": "print('\\x1b[2J\\x1b]0;owned\\x07')",
    "endless": "while bool(y.sum() < 1e30):\n            y = y * 1.0",
    "memory": "y = torch.zeros([1 << 20, 1 << 20])[:1] + y[:, :1]",
    "growing": "for _ in range(60):\n            y = torch.cat([y, y])",
    "few-rows": "y = y[:1]",
    "no-rows": "y = y[:0]",
    "nan": "y = y * float('nan')",
    "fails": "assert False, '\\x1b[2J'",
    "scalar": "y = y.sum()",
    "random": "y = torch.rand(y.shape)",
    "from-file": "y = y + torch.from_file('/etc/passwd', size=4, dtype=torch.uint8).sum()",
    "file-made": "y = y + torch.from_file('{mark}', shared=True, size=4).sum()",
    "as-strided": "y = torch.as_strided(y, [len(y), 5], [1 << 30, 1 << 20])",
    "deep": "y = y + deep(1 << 30)",
}
HELPERS = """
def kept(y: torch.Tensor) -> torch.Tensor:
    torch.save(y, '{mark}')
    return y

def deep(n: int) -> int:
    found = 0
    while n > 0:
        n -= 1
        found += n % 2
    return found * 0
"""


def scripts() -> Iterator[Hostile]:
    """TorchScript that does something on the side."""
    for name, line in SCRIPTS.items():
        honest = name in ("print", "random", "from-file", "few-rows", "deep")
        yield Hostile(f"script-{name}.pt", partial(_script, line=line), honest)
    yield Hostile("script-when-opened.pt", _when_opened, honest=True)


def damaged() -> Iterator[Hostile]:
    """TorchScript that was cut or changed."""
    for n in range(10):
        yield Hostile(f"script-cut-{n}.pt", partial(_cut, share=n / 10))
    for n in range(20):
        yield Hostile(f"script-mutant-{n}.pt", partial(_changed, seed=n), honest=True)


def _module(body: str, path: Path) -> torch.jit.ScriptModule:
    # TorchScript reads the source from a file.
    source = path.with_suffix(f".{abs(hash(body))}.py")
    source.write_text("import torch\n" + HELPERS.format(mark=MARK) + body)
    code = compile(source.read_text(), str(source), "exec")
    names: dict[str, object] = {"__name__": "hostile_script"}
    exec(code, names)  # noqa: S102 - our own text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(names["Net"]())  # type: ignore[operator]
    source.unlink()
    return scripted


NET = """
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(16, 5))

    def forward(self, x):
        y = x.flatten(1) @ self.w
        {line}
        return y
"""
OPENED = """
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.ones(16, 5))

    def forward(self, x):
        return x.flatten(1) @ self.w

    @torch.jit.export
    def __getstate__(self):
        return (self.w, self.training)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        torch.save(state[0], '{mark}')
        self.w = state[0]
        self.training = state[1]
"""


def _script(path: Path, line: str) -> None:
    body = NET.format(line=line.format(mark=MARK) if "{mark}" in line else line)
    torch.jit.save(_module(body, path), str(path))


def _when_opened(path: Path) -> None:
    torch.jit.save(_module(OPENED.format(mark=MARK), path), str(path))


def _saved(path: Path) -> bytes:
    _script(path, "y = y * 1.0")
    return path.read_bytes()


def _cut(path: Path, share: float) -> None:
    whole = _saved(path)
    path.write_bytes(whole[: int(share * len(whole))])


def _changed(path: Path, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    data = bytearray(_saved(path))
    for _ in range(5):
        where, bit = (int(torch.randint(n, (1,), generator=generator)) for n in (len(data), 8))
        data[where] ^= 1 << bit
    path.write_bytes(data)
