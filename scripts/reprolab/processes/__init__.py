"""The processes of a container: a snapshot of them, what each thread waits for, Python stacks."""
