"""Processes of a container: a snapshot, what each thread waits for, Python stacks."""
