"""What the container serves: an answer that takes no time."""


def app(environ, start_response):
    """Answer."""
    body = b"served\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
