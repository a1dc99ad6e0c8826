"""A pool that never ends: its parent has a SIGTERM handler that returns. With `default` as argument, none."""

import multiprocessing
import signal
import sys
import time


def note(number, frame):
    """Take note and return, as many servers' handlers do."""


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    if "default" not in sys.argv:
        signal.signal(signal.SIGTERM, note)
    with multiprocessing.Pool(2) as pool:
        pool.apply_async(time.sleep, (1,))
        time.sleep(0.3)
    print("ended")
