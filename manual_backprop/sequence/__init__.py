"""Layers for sequences: of words, and in time."""
