"""Reproducers: a directory that shows one sign with Docker alone."""
