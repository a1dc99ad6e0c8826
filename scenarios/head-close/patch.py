"""Changes what the installed waitress takes for an answer that is too short.

head-counts-not  an answer to HEAD is not (before 3.0.0 it is)
head-counts      an answer to HEAD is (from 3.0.0 on it is not)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

SHORT = "if self.content_bytes_written != cl:\n"
SHORT_BUT_HEAD = 'if self.content_bytes_written != cl and self.request.command != "HEAD":\n'
PATCHES = {"head-counts-not": (SHORT, SHORT_BUT_HEAD), "head-counts": (SHORT_BUT_HEAD, SHORT)}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    old, new = PATCHES[name]
    path = Path(find_spec("waitress").origin).parent / "task.py"
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"{path} has {text.count(old)} times {old!r}, not once")
    path.write_text(text.replace(old, new))
    print(f"patched {path}: {name}")


if __name__ == "__main__":
    main(sys.argv[1])
