"""What the container serves: the pid of the worker that answers."""

import os


def app(environ, start_response):
    """Answer with the pid of this worker."""
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
