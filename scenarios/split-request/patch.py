"""Changes how the installed uvicorn puts a URL together, for the variants that prove the cause.

joined     on_url() works on all parts of the URL so far (0.17.4 works on the last part)
last-part  on_url() keeps the last part of the URL (0.17.5 keeps all of them)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys

BEGIN = "    # Parser callbacks\n    def on_url(self, url):\n"
PATCHES = {
    "joined": (
        BEGIN + "        method = ",
        "    def on_message_begin(self):\n        self.parts = b''\n\n"
        + BEGIN
        + "        url = self.parts = self.parts + url\n        method = ",
    ),
    "last-part": (BEGIN + "        self.url += url\n", BEGIN + "        self.url = url\n"),
}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit("unknown patch %r: expected none, %s" % (name, ", ".join(sorted(PATCHES))))
    from uvicorn.protocols.http import httptools_impl

    path = httptools_impl.__file__
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
