"""Changes one condition of the installed gunicorn, for the variants that prove the cause.

excepted    SCRIPT_NAME is excepted from the check for underscores (22.0.0 excepts no header)
unexcepted  no header is excepted (23.0.0 and later except those in forwarder_headers)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

CHECK = 'if "_" in name:\n'
EXCEPTED = 'if name in forwarder_headers or "*" in forwarder_headers:\n'
# What stands in http/message.py once, and what takes its place.
PATCHES = {
    "excepted": (CHECK, 'if "_" in name and name != "SCRIPT_NAME":\n'),
    "unexcepted": (EXCEPTED, "if False:\n"),
}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit(f"unknown patch {name!r}: expected none, {', '.join(sorted(PATCHES))}")
    path = Path(find_spec("gunicorn").origin).parent / "http" / "message.py"
    text = path.read_text()
    old, new = PATCHES[name]
    if text.count(old) != 1 or (name == "excepted" and EXCEPTED in text):
        sys.exit(f"the patch {name} does not fit this release")
    path.write_text(text.replace(old, new))
    print(f"patched {path}: {name}")


if __name__ == "__main__":
    main(sys.argv[1])
