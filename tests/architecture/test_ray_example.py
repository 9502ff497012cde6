"""The example of a Ray cluster calls auditkit as it is."""

import re
import shlex
from pathlib import Path

from tests.architecture.test_readme import HELP

EXAMPLE = Path(__file__).parents[2] / "examples" / "ray" / "cluster.yaml"


def test_its_options_are_in_help():
    """The scan that it shows can be given."""
    [call] = re.findall(r"&& auditkit (scan [^']*)'", EXAMPLE.read_text())
    options = [word for word in shlex.split(call) if word.startswith("-")]
    assert options == ["--engine", "--ray-address"]
    assert all(re.search(rf"(?<![\w-]){option}(?![\w-])", HELP["scan"]) for option in options)
