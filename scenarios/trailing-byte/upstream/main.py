"""An application that accepts every WebSocket at once, and, run by itself, the client."""

import socket


async def app(scope, receive, send):
    """Accept, and wait until the connection ends."""
    while True:
        message = await receive()
        if scope["type"] == "lifespan":
            await send({"type": message["type"] + ".complete"})
        elif message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        if message["type"].endswith((".shutdown", ".disconnect")):
            return


if __name__ == "__main__":
    with socket.create_connection(("127.0.0.1", 8000)) as client:
        client.sendall(
            b"GET / HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\nx"
        )
        print(client.recv(1000))
