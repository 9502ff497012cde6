"""One file per method: a way to find points that only the owner and its copies agree on."""

SHARED = ("base", "making")
"""Files of this folder that are no plug-ins."""
