"""Changes how the installed hypercorn takes data that come before the WebSocket is accepted.

refused       such data get 400 (before 0.17.0 nothing looks whether the WebSocket has been accepted)
unlooked      nothing looks (0.17.0 and later do)
closed-first  the stream is closed before the 400 is sent (0.17.0 and later close it after)

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

BRANCH = "        elif isinstance(event, (Body, Data)):\n"
EARLY = "        elif isinstance(event, (Body, Data)) and {}:\n"
SEND = "            await self._send_error_response(400)\n"
CLOSE = "            self.closed = True\n"
LOOK = EARLY.format("not self.handshake.accepted") + SEND + CLOSE
# What stands there once, and what takes its place.
PATCHES = {
    "refused": (BRANCH, EARLY.format('not hasattr(self, "connection")') + CLOSE + SEND + BRANCH),
    "unlooked": (LOOK, ""),
    "closed-first": (SEND + CLOSE + BRANCH, CLOSE + SEND + BRANCH),
}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    old, new = PATCHES[name]
    path = Path(find_spec("hypercorn").origin).parent / "protocol" / "ws_stream.py"
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"{path} has {text.count(old)} times {old!r}, not once")
    path.write_text(text.replace(old, new))
    print(f"patched {path}: {name}")


if __name__ == "__main__":
    main(sys.argv[1])
