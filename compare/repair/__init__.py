"""Which line a wrong gradient is written on, and which change makes it right."""
