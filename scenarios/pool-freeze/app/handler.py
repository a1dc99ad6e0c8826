"""What SIGTERM does in the process that makes the pool, as HANDLER says."""

import signal

from factors import chosen


class Noted:
    """Takes note of a signal, as gunicorn's worker does (`self.alive = False`)."""

    alive = True

    def __call__(self, number, frame):
        self.alive = False


def leave():
    """What the server made of it."""


def default():
    """The kernel's default, set back after the server's own set-up."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def noting():
    """A Python function that only takes note, as gunicorn's worker has one, with the same flags."""
    signal.signal(signal.SIGTERM, Noted())
    signal.siginterrupt(signal.SIGTERM, False)


# To be called in the main thread.
install = chosen("HANDLER", {"as-is": leave, "default": default, "noting": noting})
