"""Which layer is to blame: each one run by itself, and what it then does wrong is its own."""
