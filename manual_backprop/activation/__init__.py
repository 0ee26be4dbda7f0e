"""Activations: a = σ(z), elementwise or along one dimension."""
