"""What the container serves: the URL as the server understood it."""

import json


async def app(scope, receive, send):
    """Answer with the method, the path and the query that the server made of the request."""
    if scope["type"] != "http":
        return
    seen = {"method": scope["method"], "path": scope["path"], "query": scope["query_string"].decode("latin-1")}
    body = json.dumps(seen).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
