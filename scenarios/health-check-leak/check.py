"""TCP health checks, as a load balancer makes them: open a connection, send nothing, close it.

`python check.py CHECKS` runs in the server's container. HOLD=0 closes each connection at once; with HOLD=SECONDS all
are opened first, and closed after that time. It prints what it did, and how many connections the kernel saw come in.
"""

import json
import os
import socket
import sys
import time
from pathlib import Path

CHECKS = int(sys.argv[1])
HOLD = float(os.environ["HOLD"])


def passive_opens():
    """How many connections were established with a listening socket of this network namespace."""
    with Path("/proc/net/snmp").open() as table:
        names, values = (line.split() for line in table if line.startswith("Tcp:"))
    return int(values[names.index("PassiveOpens")])


def connect():
    """One connection to the server; None if it is refused."""
    try:
        return socket.create_connection(("127.0.0.1", 18080), 10)
    except OSError:
        return None


before = passive_opens()
connections = []
for _ in range(CHECKS):
    connection = connect()
    if connection is None:
        continue
    connections.append(connection)
    if not HOLD:
        connection.close()
time.sleep(HOLD)
for connection in connections:
    connection.close()
print(json.dumps({"opened": len(connections), "arrived": passive_opens() - before}))
