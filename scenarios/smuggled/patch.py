"""Changes how the installed gunicorn finds the end of a request, for the variants that prove the causes.

known      a transfer coding that is not known is refused (21.2.0 ignores it)
last       a transfer coding after "chunked" is refused (21.2.0 ignores it)
alone      a chunked request that has a length too is refused (21.2.0 ignores the length)
unchecked  nothing of this is refused (22.0.0 refuses all three)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import re
import sys

FIELD = '            elif name == "TRANSFER-ENCODING":\n'
READ = '                if value.lower() == "chunked":\n                    chunked = True\n'
BEFORE = "\n        if chunked:\n"
BODY = "            self.body = Body(ChunkedReader("
LENIENT = FIELD + READ + BEFORE + BODY
REFUSE = '                    raise InvalidHeader("TRANSFER-ENCODING", req=self)\n'
PATCHES = {
    "known": FIELD + READ + "                elif value.lower() != 'identity':\n" + REFUSE + BEFORE + BODY,
    "last": FIELD + "                if chunked:\n" + REFUSE + READ + BEFORE + BODY,
    "alone": FIELD
    + READ
    + BEFORE
    + "            if content_length is not None:\n"
    + '                raise InvalidHeader("CONTENT-LENGTH", req=self)\n'
    + BODY,
}
# From the field to the place where the body is made, in any release.
WHOLE = re.compile(re.escape(FIELD) + ".*?" + re.escape(BODY), re.DOTALL)


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name != "unchecked" and name not in PATCHES:
        sys.exit("unknown patch %r: expected none, unchecked, %s" % (name, ", ".join(sorted(PATCHES))))
    import gunicorn.http.message

    path = gunicorn.http.message.__file__
    with open(path) as stream:
        text = stream.read()
    parts = WHOLE.findall(text)
    # A release that refuses cannot be corrected, and one that does not refuse cannot be opened.
    if len(parts) != 1 or (parts[0] == LENIENT) == (name == "unchecked"):
        sys.exit("the patch %s does not fit this release" % name)
    with open(path, "w") as stream:
        stream.write(text.replace(parts[0], PATCHES.get(name, LENIENT)))
    print("patched %s: %s" % (path, name))


if __name__ == "__main__":
    main(sys.argv[1])
