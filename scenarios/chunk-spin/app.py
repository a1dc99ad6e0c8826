"""What the container serves: who answered. The body of a POST is read first, and the log says how that ended."""

import os
import threading


def say(word, environ, how):
    """One line in the log: what happened, the name of the request, and how."""
    print(word, environ["PATH_INFO"].lstrip("/"), how, flush=True)


def app(environ, start_response):
    """Read the whole body of a POST, then answer with the worker's pid."""
    if environ["REQUEST_METHOD"] == "POST":
        say("reading", environ, f"{os.getpid()} {threading.get_native_id()}")
        try:
            how = f"{len(environ['wsgi.input'].read())} bytes"
        except Exception as error:
            say("ended", environ, type(error).__name__)
            raise
        say("ended", environ, how)
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
