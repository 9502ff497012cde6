"""Comparison of a suspect with reference models: scores, p-values and likelihood ratios."""
