"""What the container serves: the server's process."""

import os


def app(environ, start_response):
    """Answer with the server's pid."""
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
