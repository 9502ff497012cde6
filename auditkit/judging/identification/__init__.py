"""Ways to weigh a suspect's answers: one plug-in per file."""

SHARED = ("base",)
"""Files in this folder that are not plug-ins."""
