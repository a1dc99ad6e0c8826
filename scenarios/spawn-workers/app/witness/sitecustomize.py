"""Reports on standard error how processes start and load main.py, without a change to main.py.

It writes three kinds of lines of JSON. `start`: an interpreter started in this process. `fork`: this process is a fork
of its parent. `load`: main.py runs from its first line. Each line has the random token of its interpreter. A forked
process has the token of its parent.
"""

import json
import os
import sys
import threading

TOKEN = os.urandom(8).hex()
MAIN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "main.py")


def say(kind, **more):
    """Write one line of JSON in a single write."""
    known = {"witness": kind, "pid": os.getpid(), "parent": os.getppid(), "token": TOKEN}
    os.write(2, (json.dumps({**known, **more}) + "\n").encode())


def module_name():
    """Return the `__name__` of the module that is about to run."""
    frame, steps = sys._getframe(1).f_back, 3
    while frame is not None and steps:
        if frame.f_code.co_name == "_run_code":
            return frame.f_locals["mod_name"]
        if frame.f_code.co_name == "_call_with_frames_removed":
            return frame.f_locals["args"][1]["__name__"]
        frame, steps = frame.f_back, steps - 1
    return "__main__"


def hook(event, arguments):
    """Report each run of main.py. This is an audit hook: Python calls it for many events, among them `exec`."""
    if event != "exec":
        return
    code = arguments[0]
    if getattr(code, "co_name", "") == "<module>" and os.path.abspath(code.co_filename) == MAIN:
        thread = threading.current_thread()
        say("load", name=module_name(), thread=thread.ident, thread_name=thread.name)


say("start")
os.register_at_fork(after_in_child=lambda: say("fork"))
sys.addaudithook(hook)
