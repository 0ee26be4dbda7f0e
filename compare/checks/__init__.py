"""What a backward may be asked in addition: other ways of calling it, other ways of judging it."""
