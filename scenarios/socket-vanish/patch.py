"""Changes one thing in the installed gunicorn's sock.py, for the variants that prove the cause.

creator-only  the process that made the socket is the only one that removes its file (19.6.0 lost this)
unguarded     whoever closes the socket removes its file (as 19.6.0 does)

Runs while the image is built; a patch that does not fit the release fails the build.
"""

import re
import sys

CLOSE = re.compile(r"(class UnixSocket.*?    def close\(self\):\n)(.*?)(?=\n    def |\nclass |\ndef )", re.S)
BODIES = {
    "creator-only": "        if os.getpid() == CREATOR:\n            os.unlink(self.cfg_addr)\n",
    "unguarded": "        os.unlink(self.cfg_addr)\n",
}


def main(name):
    """Apply the patch called ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in BODIES:
        sys.exit("unknown patch %r: expected none, %s" % (name, ", ".join(sorted(BODIES))))
    import gunicorn.sock

    path = gunicorn.sock.__file__
    with open(path) as stream:
        text = stream.read()
    body = BODIES[name] + "        super(UnixSocket, self).close()\n"
    changed, count = CLOSE.subn(lambda match: match.group(1) + body, text, count=1)
    if count != 1:
        sys.exit("this release's UnixSocket has no close() to patch")
    with open(path, "w") as stream:
        # The module is imported once, by the master, before any worker is forked.
        stream.write(changed + "\n\nCREATOR = os.getpid()\n")
    print("patched %s: %s" % (path, name))


if __name__ == "__main__":
    main(sys.argv[1])
