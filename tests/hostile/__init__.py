"""Hostile and broken suspects, made by families: `python -m tests.hostile FOLDER` writes them."""
