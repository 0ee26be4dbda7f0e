"""Layers that disturb training so that a network does not learn its samples by heart."""
