"""The Docker Engine: find it or set it up, label objects, run commands in containers."""
