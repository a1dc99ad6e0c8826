"""What the container serves: the request as gunicorn understood it. The log has a line for each request."""

import json


def app(environ, start_response):
    """Answer with the method, the path, and how many bytes of a body there were."""
    body = environ["wsgi.input"].read()
    seen = {"method": environ["REQUEST_METHOD"], "path": environ["PATH_INFO"], "body": len(body)}
    text = json.dumps({"request": seen})
    print(text, flush=True)
    answer = text.encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]
