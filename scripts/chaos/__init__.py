"""Breaks runs on purpose, and checks what the lab promises: `make chaos`."""
