"""Runs experiments: plan, trials, session, progress, manual stacks."""
