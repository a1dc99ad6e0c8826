"""Bug reports for the projects upstream, filled in from a run."""
