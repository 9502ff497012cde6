"""What the pages for people show: commands in blocks of code, and what they print."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SITE_ROOT = sorted(ROOT.glob("*.md"))
PAGES = [*SITE_ROOT, *sorted(ROOT.glob("docs/**/*.md"))]
FENCED = re.compile(r"^```(?:console|shell|bash|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
ENDS = {"|", "||", "&&", ";", ">", "2>"}
"""What ends a command within its line."""


@dataclass(frozen=True)
class Shown:
    """A command that a page shows."""

    page: Path
    words: tuple[str, ...]
    code: int
    """The exit code that is shown below it; 0 where none is."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {shlex.join(self.words)}"


def shown(page: Path) -> Iterator[Shown]:
    """Every command in a page's console and shell blocks, in their order.

    In a block that has lines with a prompt all others are output; elsewhere each is a command.
    """
    for block in FENCED.findall(page.read_text()):
        lines = block.replace("\\\n", " ").splitlines()
        prompted = any(line.startswith("$ ") for line in lines)
        for at, line in enumerate(lines):
            if not prompted or line.startswith("$ "):
                for words in split(line.removeprefix("$ ")):
                    yield Shown(page, words, code(lines[at + 1 :]))


def split(line: str) -> Iterator[tuple[str, ...]]:
    """The commands of a line, without remarks and without where their output goes."""
    words: list[str] = []
    for word in [*shlex.split(line, comments=True), ";"]:
        if word not in ENDS:
            words.append(word)
        elif words:
            yield tuple(words)
            words = []


def code(below: list[str]) -> int:
    """The exit code that is told in the output below a command."""
    for line in below:
        if line.startswith("$ "):
            break
        if found := re.fullmatch(r"\(exit code (\d)\)", line):
            return int(found[1])
    return 0


def inline(page: Path) -> Iterator[str]:
    """Pieces of code within sentences and tables."""
    return iter(CODE.findall(FENCED.sub("", page.read_text())))
