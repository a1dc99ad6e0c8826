"""Changes gunicorn/sock.py in the image, for the variants that prove the causes.

own-only   an instance that stops removes the file only if it is the one that it made
ask-first  an instance that starts removes the file only if nobody answers there

The build fails if the patch does not fit the release.
"""

import sys

# What stands in place of a line of sock.py, and what is appended to the file.
PATCHES = {
    "own-only": (
        {"            os.unlink(sock_name)\n": "            _remove_own(sock_name)\n",
         "        sock.bind(self.cfg_addr)\n": "        sock.bind(self.cfg_addr)\n        _note(self.cfg_addr)\n"},
        """
_made = {}


def _note(path):
    if _sock_type(path) is UnixSocket:
        _made[path] = os.stat(path).st_ino


def _remove_own(path):
    if os.path.exists(path) and os.stat(path).st_ino == _made.get(path):
        os.unlink(path)
""",
    ),
    "ask-first": (
        {"                    os.remove(addr)\n": "                    _remove_unused(addr)\n"},
        """
def _remove_unused(path):
    with socket.socket(socket.AF_UNIX) as client:
        if client.connect_ex(path) == 0:
            raise OSError(errno.EADDRINUSE, "somebody answers at " + path)
    os.remove(path)
""",
    ),
}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    import gunicorn.sock

    replacements, appendix = PATCHES[name]
    with open(gunicorn.sock.__file__) as stream:
        text = stream.read()
    for old, new in replacements.items():
        # BaseSocket.bind() has the same line as UnixSocket.bind(), and _note() leaves TCP addresses alone.
        if old not in text:
            sys.exit("%s does not fit this release" % name)
        text = text.replace(old, new)
    with open(gunicorn.sock.__file__, "w") as stream:
        stream.write(text + "\n" + appendix)


if __name__ == "__main__":
    main(sys.argv[1])
