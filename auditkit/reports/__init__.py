"""One file per way to show outcomes."""

SHARED = ("base", "build", "wording", "inspect")
"""Files of this folder that are no plug-ins."""
