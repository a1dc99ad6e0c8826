async def app(scope, receive, send):
    """An application whose startup fails."""
    await receive()
    await send({"type": "lifespan.startup.failed"})
