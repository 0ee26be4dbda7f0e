"""Layers that are made of other layers."""
