"""Asks by HEAD, and by GET on the same connection."""

import http.client
import os
import sys
import time

from server import Server, Untold, main


def drive():
    """Return whether the second request gets no answer."""
    with Server([sys.executable, "-m", "waitress", "--listen={address}", "app:app"]) as server:
        server.ready()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.auto_open = 0  # never a new connection by itself
        connection.connect()
        connection.request(os.environ["METHOD"], "/")
        answer = connection.getresponse()
        answer.read()
        print(f"{os.environ['METHOD']}: {answer.status}, Connection: {answer.getheader('Connection')}")
        if answer.status != 200 or answer.getheader("Content-Length") != "2" or connection.sock is None:
            raise Untold("the answer has no length, or says that the connection ends")
        time.sleep(1)
        try:
            connection.request("GET", "/")
            status = connection.getresponse().status
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            print(f"GET on the same connection: {type(error).__name__}")
            return True
    print(f"GET on the same connection: {status}")
    return False


if __name__ == "__main__":
    main(drive)
