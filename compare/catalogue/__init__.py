"""Every layer, described in one place."""
