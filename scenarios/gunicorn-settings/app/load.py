"""Clients that ask one after another: `python load.py PORT PATH CLIENTS SECONDS`. Prints a line of JSON.

When the time is over, each client waits for the answer to its last request. All answers count, and all the time until
the last one: at the end of a fixed time many requests would be half done, and not counted.
"""

import http.client
import json
import sys
import threading
import time

port, path, clients, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
answered, failed = [], []
begin = time.monotonic()


def ask():
    """Send requests until the time is over."""
    while time.monotonic() < begin + seconds:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path)
            status = connection.getresponse().status
            connection.close()
            (answered if status == 200 else failed).append(status)
        except OSError as error:
            failed.append(type(error).__name__)


threads = [threading.Thread(target=ask) for _ in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
took = time.monotonic() - begin
print(json.dumps({"answered": len(answered), "took_s": took, "failed": len(failed)}), flush=True)
