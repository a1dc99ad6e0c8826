"""Demonstrations of a scenario to an audience, live or from a run on disk."""
