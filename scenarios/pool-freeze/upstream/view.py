"""A WSGI application that leaves the block of its pool while a child is busy."""

import time
from multiprocessing import Pool


def application(environ, start_response):
    """Answer after the pool's block; under gunicorn the block never ends."""
    with Pool(2) as pool:
        pool.apply_async(time.sleep, (1,))
        time.sleep(0.3)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ended\n"]
