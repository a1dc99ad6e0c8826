"""Check that every pinned package is still available."""
