"""Changes UnixSocket.close() in the installed gunicorn, for the variants that prove the cause.

creator-only  only the process that created the socket removes its file (19.6.0 does not check this)
unguarded     every process that closes the socket removes its file (as in 19.6.0)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import re
import sys

CLOSE = re.compile(r"(class UnixSocket.*?    def close\(self\):\n)(.*?)(?=\n    def |\nclass |\ndef )", re.S)
BODIES = {
    "creator-only": "        if os.getpid() == CREATOR:\n            os.unlink(self.cfg_addr)\n",
    "unguarded": "        os.unlink(self.cfg_addr)\n",
}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
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
        # The master imports this module before it forks the workers, so CREATOR is the master's pid in all of them.
        stream.write(changed + "\n\nCREATOR = os.getpid()\n")
    print("patched %s: %s" % (path, name))


if __name__ == "__main__":
    main(sys.argv[1])
