"""What the container serves: the pid of the worker that answers, after a while, so that one worker is not enough."""

import os
import time


def app(environ, start_response):
    """Answer with the pid of this worker."""
    time.sleep(0.2)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
