"""Errors, files, locks, subprocesses and statistics that every package uses."""
