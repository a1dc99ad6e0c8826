"""Changes one line of the installed gunicorn, for the variants that prove the cause.

handled     the arbiter has a handler for "cld", the same as for "chld" (24.0.0 has none)
unhandled   it has none (24.1.0 and later have it)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

ALIAS = "    handle_cld = handle_chld\n"
BEFORE = "    def handle_hup(self):\n"
# What stands in arbiter.py once, and what takes its place.
PATCHES = {"handled": (BEFORE, ALIAS + "\n" + BEFORE), "unhandled": (ALIAS, "")}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit(f"unknown patch {name!r}: expected none, {', '.join(sorted(PATCHES))}")
    path = Path(find_spec("gunicorn").origin).parent / "arbiter.py"
    text = path.read_text()
    old, new = PATCHES[name]
    if text.count(old) != 1 or (name == "handled" and ALIAS in text):
        sys.exit(f"the patch {name} does not fit this release")
    path.write_text(text.replace(old, new))
    print(f"patched {path}: {name}")


if __name__ == "__main__":
    main(sys.argv[1])
