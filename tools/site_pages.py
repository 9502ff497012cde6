"""Pages of the site that lie outside `docs/`: mkdocs calls these functions (`mkdocs.yml`, hooks).

SECURITY.md, CONTRIBUTING.md and CHANGELOG.md stay at the root, where whoever clones looks for them,
and are pages of the site as well.
"""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the root's pages, with links as they are from within `docs/`."""
    for name in PAGES:
        text = LINK.sub(_from_docs, (ROOT / name).read_text())
        files.append(File.generated(config, name, content=text))
    return files


def _from_docs(link: re.Match[str]) -> str:
    return f"]({link[1].removeprefix('docs/')})"


def on_page_markdown(markdown: str, **_: object) -> str:
    """Lead links to the root's pages to where they are in the site."""
    for name in PAGES:
        markdown = re.sub(rf"\]\((\.\./)(?P<up>(\.\./)*){name}", rf"](\g<up>{name}", markdown)
    return markdown
