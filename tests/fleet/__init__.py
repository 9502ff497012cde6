"""Scans: found, claimed, examined, kept."""
