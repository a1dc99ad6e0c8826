"""What SIGTERM does in the process that makes the pool: HANDLER is the lab's one finger in the works.

- as-is: what the server made of it
- default: the kernel's default, set back after the server's own set-up
- noting: a Python function that only takes note, as gunicorn's worker has one, with the same flags
"""

import os
import signal


class Noted:
    """Takes note of a signal, as gunicorn's worker does (`self.alive = False`)."""

    alive = True

    def __call__(self, number, frame):
        self.alive = False


def install():
    """Set it; to be called in the main thread."""
    wanted = os.environ["HANDLER"]
    if wanted == "default":
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    elif wanted == "noting":
        signal.signal(signal.SIGTERM, Noted())
        signal.siginterrupt(signal.SIGTERM, False)
