"""Ways to show a report: one plug-in per file."""

SHARED = (
    "accuser",
    "advice",
    "base",
    "beside",
    "build",
    "cases",
    "comparing",
    "drawing",
    "formats",
    "glossary",
    "headlines",
    "inspect",
    "lineage",
    "lineup",
    "map",
    "origins",
    "page",
    "plain",
    "reading",
    "summary",
    "sureness",
    "tree",
    "wording",
)
"""Files in this folder that are not plug-ins."""
