"""Compares two variants or two runs."""
