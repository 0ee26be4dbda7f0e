"""Layers of sequences: attention, rotary positions, recurrent networks."""
