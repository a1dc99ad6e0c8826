"""Running experiments: plan, trials, session, progress, stacks by hand."""
