"""What PyTorch asks of a hand-written Function besides its mathematics."""
