"""What a comparison found, for other readers: a page, JUnit, GitHub, TensorBoard."""
