"""gunicorn's configuration for MARK=on. It changes g_var in the master before the first worker starts."""

import sys


def when_ready(server):
    """Change g_var. gunicorn calls this hook when the master listens, before it forks a worker."""
    sys.modules["main"].g_var = 1000
