"""gunicorn's settings: CHILD says which hook starts a process of its own beside the workers."""

import os
import subprocess
import time

CHILD = os.environ["CHILD"]
SCRIPT = "/srv/app/child.sh"


def on_starting(server):
    """The pipe at which child.sh waits until the experiment lets it end."""
    os.mkfifo("/tmp/go")


def when_ready(server):
    """The server listens; its workers are not started yet."""
    if CHILD == "when-ready":
        subprocess.Popen(["sh", SCRIPT])


def on_exit(server):
    """The workers have ended. The child ends while the hook does something else."""
    if CHILD == "on-exit":
        subprocess.Popen(["sh", SCRIPT, "now"])
        time.sleep(2)
