"""What ``compare.speed`` measures, and how."""
