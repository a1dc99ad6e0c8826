"""An application whose worker exits with the status in the path: GET /3. GET / is answered."""

import os


async def app(scope, receive, send):
    """Answer, or exit."""
    if scope["path"] != "/":
        os._exit(int(scope["path"][1:]))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"%d\n" % os.getpid()})
