"""Commands of auditkit in processes of their own: how long they take, and how much memory."""

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Spent:
    """What a command took."""

    seconds: float
    megabytes: float
    """The greatest memory of the process itself, without its workers."""

    def told(self) -> str:
        """In one phrase."""
        return f"{self.seconds / 60:.1f} min, {self.megabytes / 1000:.1f} GB"


def run(*words: object) -> Spent:
    """Run `auditkit` with these words; what it prints goes to stderr."""
    begun = time.monotonic()
    command = [sys.executable, "-m", "auditkit", *map(str, words)]
    moved = [(os.POSIX_SPAWN_DUP2, 2, 1)]
    child = os.posix_spawn(sys.executable, command, dict(os.environ), file_actions=moved)
    _, _, used = os.wait4(child, 0)
    return Spent(time.monotonic() - begun, used.ru_maxrss * 1024 / 1e6)


def verdicts(report: Path) -> dict[str, dict[str, Any]]:
    """File name of a suspect -> its part of a JSON report."""
    told = json.loads(report.read_text())["suspects"]
    return {Path(one["suspect"]).name: one for one in told}
