"""Drafts of descriptions, for users to edit.

A description decides which secrets of the environment are sent where, and much of a draft is what a
stranger's server said. So its texts are quoted, and its paths can't hold a `${NAME}`.
"""

import json
import re
from urllib.parse import quote

BATCH = 16
"""Points in one request that a draft suggests."""
BARE = re.compile(r"[A-Za-z0-9_-]+")
"""Keys that TOML takes without quotes."""
REQUESTS = {
    "json": 'json = { inputs = "$points.nested" }',
    "upload": 'upload = { field = "file", kind = "png" }',
    "form": 'form = { model = "small" }',
    "body": 'body = "png"',
}
RESPONSES = {
    "scores": 'scores = "predictions"',
    "labels": 'labels = "predictions[].label"',
    "best": 'best = "predictions"',
    "label": 'label = "label"',
    "score": 'score = "score"',
    "classes": 'classes = ["cat", "dog"]',
}
"""Lines of `[request]` and `[response]`: those that are not known are shown as comments."""


def draft(
    url: str,
    request: tuple[str, ...] = (REQUESTS["json"],),
    response: tuple[str, ...] = (RESPONSES["scores"],),
) -> str:
    """Write a description with what is known of an API; see `adapters.wire.description`.

    Args:
        url: Address to query, the user's own or ended with a `path`.
        request: Lines of `[request]`, as TOML; foreign texts in it as `key` or `text`.
        response: Lines of `[response]`: where the answers are.
    """
    several = any("$points" in line for line in request)
    asked = "\n".join((*request, *_others(request, REQUESTS)))
    told = "\n".join((*response, *_others(response, RESPONSES)))
    return f"""\
# How auditkit asks this API: edit, then auditkit check BUNDLE this-file.toml
url = {text(url)}
batch = {BATCH if several else 1}  # points in one request
values = "owner"  # as the owner's model takes them; or "0..1", "0..255"
layout = "channels-first"  # or "channels-last"

[headers]
# Authorization = "Bearer ${{API_TOKEN}}"  # taken from the environment

[request]
# $points.nested, .flat, .npy, .png, .jpeg: all points of a request; $point.…: its only one
{asked}

[response]  # JMESPath to a row of scores, a label, or the best classes, for each point
{told}
"""


def _others(lines: tuple[str, ...], known: dict[str, str]) -> list[str]:
    """What else could stand there, as comments."""
    given = {line.partition(" =")[0] for line in lines}
    return [f"# {line}" for name, line in known.items() if name not in given]


def text(words: str) -> str:
    """Words as a TOML text. JSON escapes quotes, backslashes and line breaks in the same way."""
    # Halves of surrogate pairs can't be written to a file, and TOML wants the delete character
    # escaped, which JSON does not.
    whole = words.encode("utf-8", "replace").decode()
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def key(name: str) -> str:
    """A name as a TOML key."""
    return name if BARE.fullmatch(name) else text(name)


def path(found: str) -> str:
    """A server's path, to append to a host; characters that could start `${NAME}` are encoded."""
    # Without the slash, ".evil.example/" would extend the host's name to another one.
    whole = found.encode("utf-8", "replace").decode()
    return quote("/" + whole.lstrip("/"), safe="/{}:@!&'()*+,;=-._~%?")
