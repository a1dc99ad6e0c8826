"""Changes how the gthread worker of the installed gunicorn closes an idle connection, for the variant that proves the cause.

looked  it first looks whether a request has come on it, and then keeps it

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys

BLIND = "            delta = conn.timeout - now\n            if delta > 0:\n"
LOOKED = (
    '            select = __import__("select").select\n'
    "            delta = conn.timeout - now\n"
    "            if delta > 0 or select([conn.sock], [], [], 0)[0]:\n"
)
PATCHES = {"looked": (BLIND, LOOKED)}


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
