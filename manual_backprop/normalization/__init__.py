"""Layers that bring what they are given to mean 0 and variance 1."""
