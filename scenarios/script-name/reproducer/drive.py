"""Sends a request with the header SCRIPT_NAME, as a proxy does, and prints what the application got."""

import http.client
import json
import os
import shlex
import sys

from server import Server, Untold, main

COMMAND = [sys.executable, "-m", "gunicorn", "app:app", "--bind", "{address}", "--workers", "1"]
PATH, PREFIX = "/shop/item", "/shop"


def drive():
    """Return whether SCRIPT_NAME is empty in the application, and PATH_INFO the whole path."""
    with Server(COMMAND + shlex.split(os.environ["OPTIONS"])) as server:
        server.ready()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", PATH, headers={"SCRIPT_NAME": PREFIX})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
    if answer.status != 200:
        raise Untold(f"the request got {answer.status}")
    seen = json.loads(body)
    print(f"sent: GET {PATH} with SCRIPT_NAME: {PREFIX}")
    print("the application got SCRIPT_NAME {SCRIPT_NAME!r}, PATH_INFO {PATH_INFO!r}".format(**seen))
    return (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("", PATH)


if __name__ == "__main__":
    main(drive)
