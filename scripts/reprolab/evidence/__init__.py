"""The run directory: its place, its files, and how they are read."""
