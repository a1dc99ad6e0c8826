"""Changes how the installed gunicorn sets SO_REUSEPORT, for the variants that prove the cause.

inet-only  the option is set on TCP sockets only
forgiving  the answer "not supported" is ignored, as two other answers are

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys

PATCHES = {
    "inet-only": ("if (self.conf.reuse_port\n", "if (self.conf.reuse_port and self.FAMILY != socket.AF_UNIX\n"),
    "forgiving": ("errno.ENOPROTOOPT, errno.EINVAL)", "errno.ENOPROTOOPT, errno.EINVAL, errno.EOPNOTSUPP)"),
}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit("unknown patch %r: expected none, %s" % (name, ", ".join(sorted(PATCHES))))
    import gunicorn.sock

    path = gunicorn.sock.__file__
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
