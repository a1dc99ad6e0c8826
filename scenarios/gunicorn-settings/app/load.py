"""Clients that ask one after another: `python load.py PORT PATH CLIENTS SECONDS`. Prints a line of JSON."""

import http.client
import json
import sys
import threading
import time

port, path, clients, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
counted, failed = [], []
begin = time.monotonic() + 0.3
end = begin + seconds


def ask():
    """Send requests until the end. Only answers between begin and end count."""
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", path)
            status = connection.getresponse().status
            connection.close()
        except OSError as error:
            failed.append(type(error).__name__)
            continue
        if status != 200:
            failed.append(status)
        elif begin <= time.monotonic() < end:
            counted.append(1)


threads = [threading.Thread(target=ask) for _ in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"answered": len(counted), "seconds": seconds, "failed": len(failed)}), flush=True)
