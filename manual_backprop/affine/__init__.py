"""Affine maps: weights and biases."""
