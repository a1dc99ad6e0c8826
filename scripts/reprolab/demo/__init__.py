"""A case before an audience."""
