"""Losses, and what a mean or a sum over them means."""
