"""A page looks and behaves alike in a real browser, without a network."""

import shutil
import subprocess
from dataclasses import replace

import pytest

from auditkit.reports.base import Compared, Pictured
from tests.reports.test_report_every import shown
from tests.reports.test_report_handed_over import ATTACK, named

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c"
    "63f8cfc000000301010018dd8db00000000049454e44ae426082"
)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_the_page_without_a_complaint(tmp_path):
    """The console stays empty, the style holds, and a hostile name runs nothing."""
    made = named(ATTACK)
    seen = Compared((), (Pictured(PNG, 1, 1),))
    page = tmp_path / "r.html"
    page.write_text(shown("html", replace(made, compared=(seen, None))))
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu"),
            *("--enable-logging=stderr", "--v=0", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ":CONSOLE" not in done.stderr
    assert "alert(1)" in done.stdout
    assert "<script" not in done.stdout
