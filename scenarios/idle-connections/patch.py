"""Changes the thread worker of the installed gunicorn, for the variants that prove the cause.

poll-first  a new connection waits in the poller for its first bytes, and gets a thread when they are there
no-wait     a thread does not wait for the first bytes of a connection; without them the connection goes to the poller

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys

import gunicorn.workers.gthread

ENQUEUE = "            # Submit directly to thread pool for processing\n            self.enqueue_req(conn)\n"
POLL = """            client_sock.setblocking(False)
            conn.set_timeout()
            self.keepalived_conns.append(conn)
            self.poller.register(client_sock, selectors.EVENT_READ, partial(self.on_client_socket_readable, conn))
"""
WAIT = "DEFAULT_WORKER_DATA_TIMEOUT = 5.0\n"
CHANGES = {"poll-first": (ENQUEUE, POLL), "no-wait": (WAIT, WAIT.replace("5.0", "0.0"))}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    path = gunicorn.workers.gthread.__file__
    with open(path) as stream:
        text = stream.read()
    if name not in CHANGES or text.count(CHANGES[name][0]) != 1:
        sys.exit("the patch %r is unknown, or does not fit this release" % name)
    with open(path, "w") as stream:
        stream.write(text.replace(*CHANGES[name]))


main(sys.argv[1])
