"""HTML of strangers."""
