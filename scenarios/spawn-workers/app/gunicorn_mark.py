"""gunicorn's configuration for MARK=on: change the application in the master, before the first worker is made."""

import sys


def when_ready(server):
    """The master listens; workers follow."""
    sys.modules["main"].g_var = 1000
