"""Sweep files, plans, cells and the trials that fill them."""
