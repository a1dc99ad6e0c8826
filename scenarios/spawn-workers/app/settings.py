"""What the environment asks of the application. A setting without a meaning here ends the program, by its name."""

import multiprocessing
import os
import sys


def chosen(name, meanings):
    """What the value of a variable means, from a table; exits for a value that is not in the table."""
    value = os.environ[name]
    if value not in meanings:
        sys.exit(f"error: {name} is one of {' '.join(meanings)}; got {value}")
    return meanings[value]


WORKERS = int(os.environ["WORKERS"])
SLEEP = float(os.environ["SLEEP"])  # seconds that an answer takes
RELOAD = chosen("RELOAD", {"False": False, "True": True})
# How a request is handled: in a thread of a pool, or in the event loop.
IN_LOOP = chosen("ENDPOINT", {"sync": False, "async": True})
# Whether each request loads main.py once more.
IMPORT_AGAIN = chosen("IMPORT_AGAIN", {"off": False, "on": True})
# Whether the parent sets another g_var, before its children start.
MARK = chosen("MARK", {"off": False, "on": True})
START_METHOD = chosen("START_METHOD", {"default": None, **{name: name for name in multiprocessing.get_all_start_methods()}})
