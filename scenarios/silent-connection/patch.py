"""Changes how long a sync worker of the installed gunicorn waits for a request, for the variant that proves the cause.

two-seconds  it gives a connection up that sends nothing for two seconds

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys

READ = "            req = next(parser)\n"
PATCHES = {"two-seconds": (READ, "            client.settimeout(2)\n" + READ)}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit("unknown patch %r: expected none, %s" % (name, ", ".join(sorted(PATCHES))))
    import gunicorn.workers.sync

    path = gunicorn.workers.sync.__file__
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
