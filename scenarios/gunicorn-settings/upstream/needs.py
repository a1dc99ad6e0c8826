"""A WSGI application that cannot be imported without the variable NAME."""

import os

NAME = os.environ["NAME"]


def application(environ, start_response):
    """Answer with the value of NAME."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [NAME.encode() + b"\n"]
