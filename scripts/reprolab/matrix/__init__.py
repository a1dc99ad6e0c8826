"""Measures a claim's sign over all combinations of some factors, and shows the map."""
