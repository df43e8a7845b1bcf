"""Sweep files, one a question."""
