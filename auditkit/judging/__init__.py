"""Turns a suspect's answers into a verdict: identifications, reference models, decision."""
