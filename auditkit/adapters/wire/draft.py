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


def draft(
    url: str, body: str = '{ inputs = "$points.nested" }', answers: str = 'scores = "predictions"'
) -> str:
    """Write a description with what is known of an API; see `adapters.wire.description`.

    Args:
        url: Address to query, the user's own or ended with a `path`.
        body: Value of `[request] json`, as TOML; foreign texts in it as `key` or `text`.
        answers: Line of `[response]` that says where the answers are.
    """
    each = 1 if "$point." in body else BATCH
    return f"""\
# How auditkit asks this API: edit, then auditkit check BUNDLE this-file.toml
url = {text(url)}
batch = {each}  # points in one request
values = "owner"  # as the owner's model takes them; or "0..1", "0..255"
layout = "channels-first"  # or "channels-last"

[headers]
# Authorization = "Bearer ${{API_TOKEN}}"  # taken from the environment

[request]
# $points.nested, .flat, .npy, .png, .jpeg: all points of a request; $point.…: its only one
json = {body}
# upload = {{ field = "file", kind = "png" }}
# body = "png"

[response]  # JMESPath to a row of scores, a label, or the best classes, for each point
{answers}
# labels = "predictions[].label"
# best = "predictions"
# classes = ["cat", "dog"]  # names in the owner's order
"""


def text(words: str) -> str:
    """Words as a TOML text. JSON escapes quotes, backslashes and line breaks in the same way."""
    return json.dumps(words, ensure_ascii=False)


def key(name: str) -> str:
    """A name as a TOML key."""
    return name if BARE.fullmatch(name) else text(name)


def path(found: str) -> str:
    """A server's path, to append to a host; characters that could start `${NAME}` are encoded."""
    # Without the slash, ".evil.example/" would extend the host's name to another one.
    return quote("/" + found.lstrip("/"), safe="/{}:@!&'()*+,;=-._~%?")
