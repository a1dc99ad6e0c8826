"""Changes whether uWSGI's uwsgi_destroy_processes() waits for the workers, for the variants that prove the cause.

no-wait    it does not wait for them (2.0.27 does)
wait       it waits until each worker has ended (no other release does)

It runs while the image is built, on the source. The build fails if the patch does not fit the release.
"""

import sys

BEFORE = "        uwsgi_detach_daemons();\n\n"
AFTER = "        for (i = 0; i < ushared->gateways_cnt; i++) {\n"
WAIT = (
    "\tfor (i = 1; i <= uwsgi.numproc; i++) {\n"
    "\t\tif (uwsgi.workers[i].pid > 0) {\n"
    "\t\t\twaitpid(uwsgi.workers[i].pid, &waitpid_status, 0);\n"
    "\t\t}\n"
    "\t}\n"
    "\n"
)
PATCHES = {"no-wait": (BEFORE + WAIT + AFTER, BEFORE + AFTER), "wait": (BEFORE + AFTER, BEFORE + WAIT + AFTER)}


def main(name, path):
    """Apply the patch ``name`` to the file ``path``; "none" changes nothing."""
    if name == "none":
        return
    if name not in PATCHES:
        sys.exit("unknown patch %r: expected none, %s" % (name, ", ".join(sorted(PATCHES))))
    with open(path) as stream:
        text = stream.read()
    old, new = PATCHES[name]
    if text.count(old) != 1:
        sys.exit("the patch %s does not fit this release" % name)
    with open(path, "w") as stream:
        stream.write(text.replace(old, new))
    print("patched %s: %s" % (path, name))


if __name__ == "__main__":
    main(*sys.argv[1:])
