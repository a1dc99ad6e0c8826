"""Bug reports for upstream projects, made from a run."""
