"""Mutants of every kind of file and reply that comes from strangers (docs/measured/fuzzing.md)."""
