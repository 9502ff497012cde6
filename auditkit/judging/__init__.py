"""Answers are weighed and become a verdict."""
