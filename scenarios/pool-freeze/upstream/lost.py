"""A pool whose block ends while a child sends a large result. Now and then it never ends, without a signal handler."""

import multiprocessing
import sys
import time


def large(seconds):
    """Sleep, then return a result that is larger than a pipe can hold."""
    time.sleep(seconds)
    return b"x" * 300000


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    for number in range(40):
        with multiprocessing.Pool(2) as pool:
            for delay in (0.02, 0.04):
                pool.apply_async(large, (delay,))
            time.sleep(0.001 * number)
            if "join" in sys.argv:
                pool.close()
                pool.join()
        print("ended", number, flush=True)
