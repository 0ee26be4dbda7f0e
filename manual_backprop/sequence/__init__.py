"""Layers of sequences: embeddings, attention, rotary positions, recurrent networks."""
