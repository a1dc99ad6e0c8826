"""Verdicts on record, generated parts of pages, the site."""
