"""A pool that never ends, because its parent has a SIGTERM handler that returns. The argument `default` sets none."""

import multiprocessing
import signal
import sys
import time


def note(number, frame):
    """Return, as the handlers of many servers do after they have set a flag."""


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    if "default" not in sys.argv:
        signal.signal(signal.SIGTERM, note)
    with multiprocessing.Pool(2) as pool:
        pool.apply_async(time.sleep, (1,))
        time.sleep(0.3)
    print("ended")
