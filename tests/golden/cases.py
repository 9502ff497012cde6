"""Every command line whose output is frozen, run on files that are frozen too.

`python -m tests.golden.cases` writes the outputs anew; `git diff` then shows what changed. The
inputs in `files/` are never made again: they show that older bundles, evidence and journals of the
same format are still read.
"""

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from auditkit.cli import app

HERE = Path(__file__).parent
FILES, EXPECTED = HERE / "files", HERE / "expected"
SUSPECTS = ("copy", "tuned", "stranger", "label", "swapped", "pixels", "seven", "fixed", "large")
ALL = [*(f"{name}.onnx" for name in SUSPECTS), "missing.onnx"]
JSON = ["-f", "json"]
EVIDENCE = [f"evidence/{file.name}" for file in sorted((FILES / "evidence").glob("*"))]
CASES: dict[str, list[str]] = {
    "check-plain.json": ["check", "plain.fp", *ALL, *JSON],
    "check-tried.json": ["check", "tried.fp", *ALL, *JSON],
    "check-tried-label.json": ["check", "tried.fp", *ALL, *JSON, "--access", "label"],
    "check-tried-top-k.json": ["check", "tried.fp", *ALL, *JSON, "--access", "top-k"],
    "check-plain-label.json": ["check", "plain.fp", *ALL, *JSON, "--access", "label"],
    "check-resize.json": ["check", "plain.fp", "large.onnx", *JSON, "--resize"],
    "check-lined-up.json": ["check", "lined_up.fp", *ALL, *JSON],
    "check-sequential.json": ["check", "lined_up.fp", *ALL, *JSON, "--sequential"],
    "check-rounded.json": ["check", "lined_up.fp", *ALL, *JSON, "--access", "rounded"],
    "check-benign.json": ["check", "benign.fp", *ALL, *JSON],
    "check-journal.json": [
        *("check", "plain.fp", "python:golden_api:silent", "--journal", "audit.journal", *JSON)
    ],
    "judge.json": ["judge", "plain.fp", *EVIDENCE, *JSON],
    "plan.txt": ["plan", "lined_up.fp", "--suspects", "3"],
    "plan-plain.txt": ["plan", "plain.fp"],
    "inspect-plain.txt": ["inspect", "plain.fp"],
    "inspect-lined-up.txt": ["inspect", "lined_up.fp"],
    "inspect-journal.txt": ["inspect", "audit.journal"],
    **{f"inspect-{Path(file).name}.txt": ["inspect", file] for file in EVIDENCE},
}
EVIDENCE_OF = ["check", "plain.fp", *ALL, "--evidence", "kept"]


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A folder with a copy of all frozen files, which the commands run in."""
    before, paths = Path.cwd(), list(sys.path)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(FILES, folder, dirs_exist_ok=True)
        os.chdir(folder)
        os.environ["SOURCE_DATE_EPOCH"] = "1767225600"
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
            sys.path[:] = paths
            os.environ.pop("SOURCE_DATE_EPOCH")


def printed(arguments: list[str]) -> str:
    """What the command prints, versions apart, and its exit code."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(stream):
        try:
            code = app(arguments, standalone_mode=False) or 0
        except SystemExit as exit_:
            code = exit_.code
    stream.flush()
    return steady(stream.buffer.getvalue().decode()) + f"exit code {code}\n"


def steady(text: str) -> str:
    """The same without what another machine or version says differently."""
    if not text.startswith("{"):
        return text
    report = json.loads(text)
    report["versions"] = sorted(report["versions"])
    for suspect in report["suspects"]:
        if suspect["runtime"]:
            suspect["runtime"] = sorted(suspect["runtime"])
    return json.dumps(report, indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Write all outputs anew."""
    EXPECTED.mkdir(exist_ok=True)
    with workplace():
        for name, arguments in CASES.items():
            (EXPECTED / name).write_text(printed(arguments))
        printed(EVIDENCE_OF)


if __name__ == "__main__":
    main()
