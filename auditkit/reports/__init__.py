"""Ways to show a report: one plug-in per file."""

SHARED = (
    "accuser",
    "base",
    "build",
    "glossary",
    "headlines",
    "inspect",
    "lineup",
    "origins",
    "sureness",
    "wording",
)
"""Files in this folder that are not plug-ins."""
