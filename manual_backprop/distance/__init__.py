"""Norms of vectors, and how alike two vectors are."""
