"""Two models, from the question to the report."""
