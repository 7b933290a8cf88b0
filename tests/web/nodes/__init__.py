"""Several servers."""
