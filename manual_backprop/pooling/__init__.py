"""The largest or the mean of every window."""
