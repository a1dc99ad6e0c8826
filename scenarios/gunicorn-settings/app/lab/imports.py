"""wsgi.py imports this file. The experiment `reload` adds a line to a copy of it."""
