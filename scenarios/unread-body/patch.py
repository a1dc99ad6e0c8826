"""Changes what the installed gunicorn's gthread worker does before it keeps a connection, to prove the cause.

drained    the rest of the body is thrown away first (23.0.0 does not)
undrained  it is not (24.0.0 and later do it)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys

PATCHES = {
    "drained": (
        "            if keepalive:\n                return (keepalive, conn)\n",
        "            if keepalive:\n                while req.body.read(8192):\n                    pass\n"
        "                return (keepalive, conn)\n",
    ),
    "undrained": (
        "                conn.parser.finish_body()\n                return True\n",
        "                return True\n",
    ),
}


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
