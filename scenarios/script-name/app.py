"""What the container serves: what gunicorn made of a request, as JSON."""

import json

KEYS = ("SCRIPT_NAME", "PATH_INFO", "REMOTE_ADDR", "HTTP_SCRIPT_NAME", "HTTP_REMOTE_USER")


def app(environ, start_response):
    """Answer with the values of the environment, None where there is none."""
    body = json.dumps({key: environ.get(key) for key in KEYS}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
