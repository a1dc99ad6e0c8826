"""Changes what the gthread worker of the installed gunicorn does with a new connection, for the variants that prove the cause.

enqueued    gives it to a thread at once (as 20.1.0 does; 21.2.0 waits on its poller until the client has sent something)
registered  waits on the poller (as 21.2.0 does; 20.1.0 gives it to a thread at once)
guarded     accepts none any more when the worker is about to end (21.2.0 accepts one)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys

ACCEPT = "            sock, client = listener.accept()\n"
REGISTER = (
    "            # wait until socket is readable\n"
    "            with self._lock:\n"
    "                self.poller.register(conn.sock, selectors.EVENT_READ,\n"
    "                                     partial(self.on_client_socket_readable, conn))\n"
)
ENQUEUE = "            # enqueue the job\n            self.enqueue_req(conn)\n"
WAIT = (
    "            def readable(client):\n"
    "                self.poller.unregister(client)\n"
    "                self.enqueue_req(conn)\n\n"
    "            self.poller.register(conn.sock, selectors.EVENT_READ, readable)\n"
)
GUARD = "            if not self.alive:\n                return\n"
PATCHES = {"enqueued": (REGISTER, ENQUEUE), "registered": (ENQUEUE, WAIT), "guarded": (ACCEPT, GUARD + ACCEPT)}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit("unknown patch %r: expected none, %s" % (name, ", ".join(sorted(PATCHES))))
    import gunicorn.workers.gthread

    path = gunicorn.workers.gthread.__file__
    with open(path) as stream:
        text = stream.read()
    old, new = PATCHES[name]
    if text.count(old) != 1:
        sys.exit("the patch %s does not fit this release" % name)
    with open(path, "w") as stream:
        stream.write(text.replace(old, new))
    print("patched %s: %s" % (path, name))


if __name__ == "__main__":
    main(sys.argv[1])
