"""Turns a suspect's answers into a verdict: identifications, line-up, decision."""
