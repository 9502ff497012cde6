"""Ways to show a report: one plug-in per file."""

SHARED = (
    "accuser",
    "advice",
    "base",
    "build",
    "cases",
    "comparing",
    "drawing",
    "formats",
    "glossary",
    "headlines",
    "inspect",
    "lineup",
    "origins",
    "plain",
    "sureness",
    "wording",
)
"""Files in this folder that are not plug-ins."""
