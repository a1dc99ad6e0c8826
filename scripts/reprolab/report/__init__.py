"""The report of a run: tables, terminal, timeline, HTML page."""
