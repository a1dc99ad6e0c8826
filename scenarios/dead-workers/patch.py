"""Changes how the installed uvicorn looks after its workers, for the variants that prove the causes.

supervised    the parent looks twice a second for workers that have ended, and starts new ones (0.29.0 only waits)
unsupervised  the parent does not look (0.30.0 and later do)
in-place      a new worker takes the place of the dead one in the list of workers (0.30.0 and 0.30.1 delete the entry
              and put the new worker at the end, while they go through a copy of the list)
appended      the same undone in 0.30.2

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

WAITS = "        self.should_exit.wait()\n"
LOOKS = """\
        while not self.should_exit.wait(0.5):
            for place, process in enumerate(self.processes):
                if not process.is_alive():
                    process.join()
                    process = get_subprocess(config=self.config, target=self.target, sockets=self.sockets)
                    process.start()
                    self.processes[place] = process
"""
CALL = "            self.keep_subprocess_alive()\n"
# Between 0.30.1 and 0.30.2: the list is not copied before the loop, and a new worker takes the place of the dead one.
COPIED = "        for idx, process in enumerate(tuple(self.processes)):\n            if process.is_alive():\n"
LISTED = COPIED.replace("tuple(self.processes)", "self.processes")
NEW = "            process = Process(self.config, self.target, self.sockets)\n            process.start()\n"
APPENDED = "            del self.processes[idx]\n" + NEW + "            self.processes.append(process)\n"
IN_PLACE = NEW + "            self.processes[idx] = process\n"
PATCHES = {
    "supervised": [(WAITS, LOOKS)],
    "unsupervised": [(CALL, "")],
    "in-place": [(COPIED, LISTED), (APPENDED, IN_PLACE)],
    "appended": [(LISTED, COPIED), (IN_PLACE, APPENDED)],
}


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit("unknown patch %r: expected none, %s" % (name, ", ".join(sorted(PATCHES))))
    path = Path(find_spec("uvicorn").origin).parent / "supervisors" / "multiprocess.py"
    text = path.read_text()
    for old, new in PATCHES[name]:
        if text.count(old) != 1:
            sys.exit("the patch %s does not fit this release" % name)
        text = text.replace(old, new)
    path.write_text(text)
    print("patched %s: %s" % (path, name))


if __name__ == "__main__":
    main(sys.argv[1])
