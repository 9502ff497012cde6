"""Populations of real models, from a data file to owners, copies of theirs and innocents."""
