"""Changes how the parent of the installed uvicorn asks its workers whether they live, for the variants that prove the cause.

unasked      a worker lives as long as its process does; no thread of it has to answer
limit-30     a worker has 30 s for its answer (up to 0.36.1 uvicorn gives it 5 s, and has no setting for it)
fixed-limit  the setting of 0.37.0 and later is not used: a worker has 5 s again

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

ASKS = "        return self.ping(timeout)\n"
LIMIT = "    def is_alive(self, timeout: float = 5) -> bool:\n"
SETTING = "process.is_alive(timeout=self.config.timeout_worker_healthcheck)"
PATCHES = {
    "unasked": (ASKS, "        return True\n"),
    "limit-30": (LIMIT, LIMIT.replace("5", "30")),
    "fixed-limit": (SETTING, "process.is_alive()"),
}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit("unknown patch %r: expected none, %s" % (name, ", ".join(sorted(PATCHES))))
    path = Path(find_spec("uvicorn").origin).parent / "supervisors" / "multiprocess.py"
    text = path.read_text()
    old, new = PATCHES[name]
    if text.count(old) != 1:
        sys.exit("the patch %s does not fit this release" % name)
    path.write_text(text.replace(old, new))
    print("patched %s: %s" % (path, name))


if __name__ == "__main__":
    main(sys.argv[1])
