"""Changes how the installed gunicorn waits for the CRLF behind a chunk, for the variants that prove the cause.

checked    the wait ends when the connection has ended (22.0.0 does not look)
unchecked  the wait goes on until there are two bytes (23.0.0 ends it)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys

LOOP = "            while len(rest) < 2:\n"
UNCHECKED = LOOP + "                rest += unreader.read()\n"
CHECKED = (
    LOOP
    + "                new_data = unreader.read()\n                if not new_data:\n"
    + "                    break\n                rest += new_data\n"
)
PATCHES = {"checked": (UNCHECKED, CHECKED), "unchecked": (CHECKED, UNCHECKED)}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit("unknown patch %r: expected none, %s" % (name, ", ".join(sorted(PATCHES))))
    import gunicorn.http.body

    path = gunicorn.http.body.__file__
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
