"""Install a model server once, start it, and end all of it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

HERE = Path(__file__).parent
NAMES = ("owner", "copy", "stranger")
STARTING = 120.0


@dataclass(frozen=True)
class Running:
    """A server under way."""

    http: str
    grpc: str


def environment(name: str, cache: Path) -> Path:
    """The folder of programs of this server's environment, made at the first call."""
    folder, wanted = cache / name, (HERE / "requirements" / f"{name}.txt").read_text()
    done = folder / "installed.txt"
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin/python", "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "-r", HERE / "requirements" / f"{name}.txt"], check=True)
        done.write_text(wanted)
    return folder / "bin"


@contextlib.contextmanager
def running(
    name: str, cache: Path, models: Path, folder: Path, ready: str = "/v2/health/ready"
) -> Iterator[Running]:
    """The server, from its first good answer until the block ends."""
    programs = environment(name, cache)
    ports = {key: str(_free()) for key in ("PORT", "GRPC_PORT", "METRICS_PORT")}
    libraries = os.pathsep.join([sysconfig.get_config_var("LIBDIR"), str(Path(sys.prefix) / "lib")])
    surroundings = {
        **os.environ,
        **ports,
        "MODELS": str(models),
        "BENTOML_DO_NOT_TRACK": "True",
        "LD_LIBRARY_PATH": libraries,  # Triton's Python looks for the one that runs
        "PYTHONPATH": str(HERE / "apps"),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
    }
    command = COMMANDS[name](folder, ports)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=surroundings, stdout=log, stderr=log, start_new_session=True
        )
        try:
            http = f"http://127.0.0.1:{ports['PORT']}"
            _wait(server, http + ready, folder / "log")
            yield Running(http, f"grpc://127.0.0.1:{ports['GRPC_PORT']}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _mlserver(folder: Path, ports: dict[str, str]) -> list[str]:
    settings = {
        "host": "127.0.0.1",
        "http_port": int(ports["PORT"]),
        "grpc_port": int(ports["GRPC_PORT"]),
        "metrics_port": int(ports["METRICS_PORT"]),
        "parallel_workers": 0,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    for name in NAMES:
        (folder / name).mkdir()
        port = {"name": "input", "datatype": "FP32", "shape": [-1, 1, 4, 4]}
        model = {"name": name, "implementation": "mlserver_app.OnnxModel", "inputs": [port]}
        (folder / name / "model-settings.json").write_text(json.dumps(model))
    return ["mlserver", "start", str(folder)]


def _bentoml(_folder: Path, ports: dict[str, str]) -> list[str]:
    place = ["--host", "127.0.0.1", "--port", ports["PORT"]]
    return ["bentoml", "serve", "bentoml_app:Classifier", *place]


def _app(name: str) -> Callable[[Path, dict[str, str]], list[str]]:
    return lambda _folder, _ports: ["python", str(HERE / "apps" / f"{name}_app.py")]


COMMANDS = {
    "bentoml": _bentoml,
    "kserve": _app("kserve"),
    "litserve": _app("litserve"),
    "mlserver": _mlserver,
    "triton": _app("triton"),
}


def _free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _wait(server: subprocess.Popen[bytes], page: str, log: Path) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(page, timeout=2).status_code == 200:
                return
        time.sleep(0.2)
    raise RuntimeError(f"{page} is not ready: {log.read_text()[-2000:]}")
