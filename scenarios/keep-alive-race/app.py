"""What the container serves: it reads the body and answers with the worker's pid."""

import os


def app(environ, start_response):
    """Read the body and answer."""
    environ["wsgi.input"].read()
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
