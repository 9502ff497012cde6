"""One file per way to weigh a suspect's answers."""

SHARED = ("base",)
"""Files of this folder that are no plug-ins."""
