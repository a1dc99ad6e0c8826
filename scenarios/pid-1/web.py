"""An answer after as many seconds as the path says: /2 takes 2 s."""

import time


def app(environ, start_response):
    """Print the path when the request begins, then wait."""
    path = environ["PATH_INFO"].strip("/")
    print("began:", path or "0", flush=True)
    time.sleep(float(path or 0))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"done"]
