"""What both instances serve: which of them answered."""

import os

BODY = os.environ.get("INSTANCE", "").encode()


def app(environ, start_response):
    """Answer with the name of the instance."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]
