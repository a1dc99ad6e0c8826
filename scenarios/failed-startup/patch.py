"""Changes one expression of the installed hypercorn, for the variants that prove the causes.

optional-message  a failure of the startup may have no message (before 0.14.4 it must have one)
kept-status       the status of a worker that failed is kept (from 0.16.0 on a second look replaces it)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

# The file, what stands there once, and what takes its place.
PATCHES = {
    "optional-message": (
        "asyncio/lifespan.py",
        '"startup", message["message"]',
        '"startup", message.get("message", "")',
    ),
    "kept-status": ("run.py", "_join_exited(processes) if exitcode != 0", "_join_exited(processes) if exitcode == 0"),
}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    file, old, new = PATCHES[name]
    path = Path(find_spec("hypercorn").origin).parent / file
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"{path} has {text.count(old)} times {old!r}, not once")
    path.write_text(text.replace(old, new))
    print(f"patched {path}: {name}")


if __name__ == "__main__":
    main(sys.argv[1])
