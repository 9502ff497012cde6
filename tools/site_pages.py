"""What the site has besides `docs/`: mkdocs calls these functions (`mkdocs.yml`, hooks).

SECURITY.md, CONTRIBUTING.md and CHANGELOG.md stay at the root, where whoever clones looks for them,
and are pages of the site as well. The page of commands gets the help of each.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.testing import CliRunner

from auditkit.cli import app

ROOT = Path(__file__).parents[1]
PAGES = ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HELP = "<!-- help -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the root's pages, with links as they are from within `docs/`."""
    for name in PAGES:
        text = LINK.sub(_from_docs, (ROOT / name).read_text())
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Lead links to the root's pages to where they are in the site, and put in the help."""
    for name in PAGES:
        markdown = re.sub(rf"\]\(\.\./(?P<up>(\.\./)*){name}", rf"](\g<up>{name}", markdown)
    return markdown.replace(HELP, "\n".join(_helps())) if HELP in markdown else markdown


def _from_docs(link: re.Match[str]) -> str:
    return f"]({link[1].removeprefix('docs/')})"


def _helps() -> Iterator[str]:
    """Yield a heading and the help of each command, in the order of the command line's own."""
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        told = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "100"}).output
        yield f"### {name}\n\n```text\n{told.strip()}\n```\n"
