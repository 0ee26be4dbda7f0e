"""Memory that is too small for what was asked."""


def is_exhausted(error: Exception) -> bool:
    """Whether the error says that there is no more memory, of the computer or of a GPU."""
    return isinstance(error, MemoryError) or "allocate" in str(error)
