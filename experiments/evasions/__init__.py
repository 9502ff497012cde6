"""Evasions: copies behind input filters, gates and other models, which must not be acquitted."""
