"""Drafts of descriptions, for users to edit."""

BATCH = 16
"""Points in one request that a draft suggests."""


def draft(
    url: str, body: str = '{ inputs = "$points.nested" }', answers: str = 'scores = "predictions"'
) -> str:
    """Write a description with what is known of an API; see `adapters.wire.description`.

    Args:
        url: Address to query.
        body: Value of `[request] json`, as TOML.
        answers: Line of `[response]` that says where the answers are.
    """
    each = 1 if "$point." in body else BATCH
    return f"""\
# How auditkit asks this API: edit, then auditkit check BUNDLE this-file.toml
url = "{url}"
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
