"""A run's report: tables, terminal, timeline, page."""
