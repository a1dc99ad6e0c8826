"""What the container serves: a page. The body of a request is read for /read, and for nothing else."""


def app(environ, start_response):
    """Answer at once, or after the whole body."""
    length = len(environ["wsgi.input"].read()) if environ["PATH_INFO"] == "/read" else 0
    body = b"read %d bytes" % length
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
