"""The pages are a site without warnings, and what lies outside it leads somewhere."""

import os
import re
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT, SITE_ROOT

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def test_the_site_builds_without_a_warning(tmp_path):
    """Every link and anchor of every page leads somewhere, and every page is in the navigation."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    for page in ("index", "tutorial", "api", "SECURITY", "measured/benchmark"):
        assert (tmp_path / f"{page}.html").is_file()
    assert "auditkit keygen" in (tmp_path / "commands.html").read_text()


@pytest.mark.parametrize("page", SITE_ROOT, ids=lambda page: page.name)
def test_links_of_the_roots_pages_lead_somewhere(page):
    """Where the repository is read as it is, each file that a link names is there."""
    for pair in LINK.findall(page.read_text()):
        target = next(filter(None, pair)).partition("#")[0]
        if target and "://" not in target:
            assert (ROOT / target).exists(), target


@pytest.mark.parametrize("page", SITE_ROOT, ids=lambda page: page.name)
def test_anchors_of_the_roots_pages_are_headings(page):
    """A link into a page names one of its headings, as GitHub and the site number them."""
    for pair in LINK.findall(page.read_text()):
        target, _, anchor = next(filter(None, pair)).partition("#")
        if anchor and "://" not in target:
            headings = re.findall(r"^#+ (.*)", (ROOT / (target or page)).read_text(), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{target}#{anchor}"


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def test_readme_is_one_screen():
    """README has at most 80 lines, and no badge."""
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 80
    assert "badge" not in text
