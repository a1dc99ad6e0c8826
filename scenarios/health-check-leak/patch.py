"""Changes one condition of the installed uvicorn, for the variant that proves the cause.

close-at-eof  a connection whose end came before uvicorn's protocol took it over is closed

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

BEFORE = "    protocol.connection_made(transport)\n"
AFTER = BEFORE + "    if reader.at_eof():\n        transport.close()\n"


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name != "close-at-eof":
        sys.exit("unknown patch %r: expected none or close-at-eof" % name)
    path = Path(find_spec("uvicorn").origin).parent / "_handlers" / "http.py"
    text = path.read_text()
    if text.count(BEFORE) != 1:
        sys.exit("%s has no single call of connection_made" % path)
    path.write_text(text.replace(BEFORE, AFTER))
    print("patched %s: %s" % (path, name))


if __name__ == "__main__":
    main(sys.argv[1])
