"""Bugs planted on purpose, and right backwards that are written otherwise: the checker's check."""
