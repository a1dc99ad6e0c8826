"""Finds every change of a claim's sign along one ordered factor."""
