"""A page for the requests before and after the health checks."""


async def app(scope, receive, send):
    """Answer every request."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"here\n"})
