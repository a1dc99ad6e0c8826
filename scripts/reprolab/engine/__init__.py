"""The Docker Engine: found or set up, its labels, commands in containers."""
