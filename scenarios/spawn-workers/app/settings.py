"""Reads the settings of the application from environment variables."""

import multiprocessing
import os
import sys


def chosen(name, meanings):
    """Return the meaning of the variable's value. Exits if ``meanings`` does not have the value."""
    value = os.environ[name]
    if value not in meanings:
        sys.exit(f"error: {name} is one of {' '.join(meanings)}; got {value}")
    return meanings[value]


WORKERS = int(os.environ["WORKERS"])
SLEEP = float(os.environ["SLEEP"])  # seconds before an answer
RELOAD = chosen("RELOAD", {"False": False, "True": True})
# The endpoint runs in a thread of a pool, or in the event loop.
IN_LOOP = chosen("ENDPOINT", {"sync": False, "async": True})
# Whether each request loads main.py again.
IMPORT_AGAIN = chosen("IMPORT_AGAIN", {"off": False, "on": True})
# Whether the parent changes g_var before its children start.
MARK = chosen("MARK", {"off": False, "on": True})
START_METHOD = chosen("START_METHOD", {"default": None, **{name: name for name in multiprocessing.get_all_start_methods()}})
