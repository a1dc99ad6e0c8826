"""Makes reap_workers() of the installed gunicorn pass over processes that are not its workers, and nothing else.

It runs while the image is built. The build fails if the patch does not fit the release.
"""

import sys

import gunicorn.arbiter

READS_STATUS = "                    exitcode = status >> 8\n"
CHECK = "                    if wpid not in self.WORKERS:\n                        continue\n"


def main(name):
    """Apply the patch ``name``; "none" changes nothing."""
    if name == "none":
        return
    with open(gunicorn.arbiter.__file__) as stream:
        text = stream.read()
    if name != "workers-only" or text.count(READS_STATUS) != 1:
        sys.exit("the patch %r is unknown, or does not fit this release" % name)
    with open(gunicorn.arbiter.__file__, "w") as stream:
        stream.write(text.replace(READS_STATUS, CHECK + READS_STATUS))


main(sys.argv[1])
