"""Base images: already on the engine, pulled, or built from this host."""
