"""The pages of `auditkit view`: the table, one pair's report, and the map of who answers alike."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any
from urllib.parse import urlencode

import numpy as np

from auditkit.commands.viewer.shelf import Mapped, Shelf, Wanted
from auditkit.core.provenance import now
from auditkit.reports.base import Screen
from auditkit.reports.headlines import REFUSED, WORDS
from auditkit.reports.html import render_html
from auditkit.reports.lineage import WORST_FIRST, distances
from auditkit.reports.map import drawn, kinds, plane
from auditkit.reports.page import page
from auditkit.reports.tree import tree

STYLES = ("report.css", "view.css")
SORTS = ("verdict", "suspect", "bundle", "reason", "core points", "stands out", "time")
NAMES = {"refused": REFUSED.name, **{str(one): words.name for one, words in WORDS.items()}}
"""What each verdict is called."""


def table(shelf: Shelf, asked: Mapping[str, str], title: str) -> bytes:
    """Return the page of all pairs that are asked for.

    Args:
        shelf: The ledger.
        asked: The address's query: `verdict`, `bundle`, `name`, `sort` and `page`.
        title: What the ledger is called.

    Raises:
        LedgerError: The ledger can't be read, or was changed.
    """
    number = asked.get("page", "1")
    wanted = Wanted(
        verdict=asked.get("verdict", ""),
        bundle=asked.get("bundle", ""),
        name=asked.get("name", ""),
        sort=asked.get("sort", "verdict"),
        page=int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 1,
    )
    found = shelf.listing(wanted)
    return page(
        "view.html",
        STYLES,
        "'self'",
        title=title,
        at=now(),
        found=found,
        wanted=wanted,
        page_number=min(max(wanted.page, 1), found.pages),
        link=lambda **changed: _link(asked, changed),
        bundles=_bundles(shelf),
        verdicts=WORST_FIRST,
        names=NAMES,
        sorts=SORTS,
    )


def _link(asked: Mapping[str, str], changed: Mapping[str, object]) -> str:
    """Return the address of the same table, otherwise filtered or sorted, at its first page."""
    kept = {key: value for key, value in asked.items() if key != "page"}
    query = {**kept, **{key: str(value) for key, value in changed.items()}}
    return "?" + urlencode({key: value for key, value in query.items() if value})


def _bundles(shelf: Shelf) -> dict[str, str]:
    """Return what each bundle is called by its digest; those of one name have a digit of it."""
    found = shelf.bundles()
    names = [PurePath(path).name for path in found.values()]
    return {
        digest: name if names.count(name) == 1 else f"{name} ({digest.removeprefix('sha256:')[:8]})"
        for (digest, _), name in zip(found.items(), names, strict=True)
    }


def report(shelf: Shelf, key: str) -> bytes | None:
    """Return the report on one pair, as `auditkit report` writes it; None if there is none.

    Raises:
        LedgerError: The ledger can't be read, or was changed.
    """
    found = shelf.report(key)
    return None if found is None else render_html(found, Screen())


def similarity(shelf: Shelf, asked: Mapping[str, str], title: str) -> bytes:
    """Return the page with the map of one bundle.

    Raises:
        LedgerError: The ledger can't be read, or was changed.
    """
    bundles = _bundles(shelf)
    chosen = asked.get("bundle") or next(iter(bundles), "")
    found = shelf.mapped(chosen)
    return page(
        "map.html",
        STYLES,
        "'self'",
        title=title,
        bundles=bundles,
        chosen=chosen,
        at_hand=found is not None,
        names=NAMES,
        tree=tree,
        **(NOTHING if found is None or not any(found.keys) else _pictures(found)),
    )


NOTHING: Mapping[str, Any] = {"drawing": None, "lineage": None}


def _pictures(found: Mapped) -> Mapping[str, Any]:
    """Return what the page shows of models that were compared."""
    placed = plane(distances(np.stack([one.labels for one in found.voices])))
    members = [one.member for one in found.voices]
    links = [f"pair/{key}" if key else "" for key in found.keys]
    return {
        "drawing": drawn(placed, members, links),
        "kept": placed.kept,
        "shown": tuple(kinds(members)),
        "lineage": found.tree,
        "pages": {one.number: link for one, link in zip(members, links, strict=True) if link},
        "left_out": found.left_out,
    }


def trouble(title: str, what: str) -> bytes:
    """Return a page that says in one line what is wrong."""
    return page("trouble.html", STYLES, title=title, what=what)
