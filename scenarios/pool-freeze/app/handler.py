"""Sets the SIGTERM handler of the process that creates the pool, as HANDLER says."""

import signal

from factors import chosen


class Noted:
    """A signal handler that only sets a flag, as in gunicorn's worker (`self.alive = False`)."""

    alive = True

    def __call__(self, number, frame):
        self.alive = False


def leave():
    """Keep the handler that the server has set."""


def default():
    """Replace the server's handler by the kernel's default."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def noting():
    """Set a Python handler that only sets a flag. The signal flags are those of gunicorn's worker."""
    signal.signal(signal.SIGTERM, Noted())
    signal.siginterrupt(signal.SIGTERM, False)


# Call this in the main thread: Python sets signal handlers only there.
install = chosen("HANDLER", {"as-is": leave, "default": default, "noting": noting})
