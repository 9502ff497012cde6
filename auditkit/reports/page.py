"""Makes pages for browsers from templates, without scripts or anything from elsewhere.

A page's content security policy allows its own style sheet and the pictures within it, nothing
else. Text from files is escaped and shown without invisible characters.
"""

import base64
import functools
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from auditkit.reports.cases import whole

TEMPLATES = resources.files("auditkit.reports") / "templates"


def page(name: str, styles: tuple[str, ...], forms: str = "'none'", **values: Any) -> bytes:
    """Return a page in UTF-8.

    Args:
        name: The template's file.
        styles: Files of the style sheet.
        forms: Where forms may lead, as the content security policy says it.
        values: What the template shows.
    """
    style = "".join(map(_file, styles))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    made: str = (
        _environment()
        .get_template(name)
        .render(
            # Marked as safe, because it is this package's own and holds no text of a file.
            style=Markup(style),  # noqa: S704
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            f"base-uri 'none'; form-action {forms}",
            **values,
        )
    )
    return made.encode()


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )


def _shown(value: object) -> object:
    """Return what a template shows of a value: no text gets past this with what is invisible."""
    return whole(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@functools.cache
def _file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
