"""What the container serves: each request's path is printed, so the log says which requests the application has run."""

import os


def app(environ, start_response):
    """Read the body, print the path, and answer with the worker's pid."""
    environ["wsgi.input"].read()
    print("ran", environ["PATH_INFO"].lstrip("/"), flush=True)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
