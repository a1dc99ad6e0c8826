"""A page of two bytes. For HEAD it has the same headers and no body, as HTTP wants it."""


def app(environ, start_response):
    """Answer GET with "ok", and HEAD with the length of that."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"ok"]
