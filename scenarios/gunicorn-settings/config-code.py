"""What a config file can hold because it is Python: hooks, and a number of workers that depends on the processors."""

import json
import re

from reprolab import Claim, Column

from .common import Gunicorn, Lab, unchanged

# The hooks of gunicorn 20.1.0, with their numbers of parameters.
HOOKS = {
    **{"on_starting": 1, "on_reload": 1, "when_ready": 1, "pre_fork": 2, "post_fork": 2, "post_worker_init": 1},
    **{"worker_int": 1, "worker_abort": 1, "pre_exec": 1, "pre_request": 2, "post_request": 4, "child_exit": 2},
    **{"worker_exit": 2, "nworkers_changed": 3, "on_exit": 1},
}
# Each start, request and stop calls these.
ALWAYS = {"on_starting", "when_ready", "pre_fork", "post_fork", "pre_request", "post_request", "on_exit"}
TEXTS = {
    "none": "",
    "hooks": "".join(
        f"def {name}({', '.join('abcd'[:number])}):\n    print('hook {name}', flush=True)\n"
        for name, number in HOOKS.items()
    ),
    "processors": "import multiprocessing\nworkers = multiprocessing.cpu_count() * 2 + 1\n",
    "fixed": "workers = 1\n",
}
OPTION = "--when-ready lab.imports:hook"
VARIANTS = {
    "documented": {},
    "hooks-in-file": {"FILE": "hooks"},
    "hook-as-argument": {"ARGUMENTS": OPTION},
    "hook-in-cmd-args": {"SHELL_ENV": f"'GUNICORN_CMD_ARGS={OPTION}'"},
    "processors": {"FILE": "processors"},
    "fixed": {"FILE": "fixed"},
}
TRIALS = 3
PARALLEL = True


def drive(stack):
    """Start gunicorn with a config file or an option, send a request, stop it; see which hooks ran."""
    lab = Lab(stack)
    path = "/tmp/code.py"
    lab.call("write", path=path, text=TEXTS[stack.factors["FILE"]])
    gunicorn = Gunicorn(lab, "--config", path)
    workers = None
    if gunicorn.settled():
        gunicorn.lab.ask("/")
        workers = len(unchanged("the list of workers", gunicorn.workers))
        gunicorn.stop()
    help_text = stack.execute("app", ["gunicorn", "--help"])[1]
    processors = stack.execute("app", ["python", "-c", "import multiprocessing as m; print(m.cpu_count())"])[1]
    observation = {
        "ran": sorted(set(re.findall(r"^hook (\w+)$", lab.out(), re.M))),
        "in_file": "def when_ready" in lab.call("read", path=path),
        "unknown_option": "unrecognized arguments: --when-ready" in gunicorn.output,
        "offered": [name for name in HOOKS if f"--{name.replace('_', '-')}" in help_text],
        "options": len(set(re.findall(r"--[a-z][\w-]+", help_text))),
        "code": gunicorn.code,
        "workers": workers,
        "processors": json.loads(processors),
    }
    lab.keep()
    return observation


def hook_given(o):
    """gunicorn got a hook: in the file that it read, or in an option that it refused by its name."""
    return o["in_file"] or o["unknown_option"]


def hooks_run(o):
    """Each hook of a start, a request and a stop ran; and no option of the command line has the name of a hook."""
    return set(o["ran"]) >= ALWAYS and not o["offered"] and o["options"] > 50


def served(o):
    """gunicorn started, and has workers."""
    return bool(o["workers"])


def as_computed(o):
    """There are twice as many workers as processors, and one more."""
    return o["workers"] == 2 * o["processors"] + 1


def seen(o):
    """Which hooks ran, or why gunicorn did not start."""
    if o["unknown_option"]:
        return f"unknown option, exit code {o['code']}"
    return f"{len(o['ran'])} hooks ran, {len(o['offered'])} of {len(HOOKS)} have an option"


def number(o):
    """How many workers on how many processors."""
    return f"{o['workers']} worker{'' if o['workers'] == 1 else 's'} on {o['processors']} processors"


CLAIMS = [
    Claim(
        "GS-60",
        "config: hooks can be set in the config file, and not on the command line.",
        sign=hooks_run,
        trigger=hook_given,
        shows=["hooks-in-file"],
        absent=["documented", "hook-as-argument", "hook-in-cmd-args"],
        untriggered=["documented"],
        setting="config",
        measured=seen,
    ),
    Claim(
        "GS-61",
        "config: workers = multiprocessing.cpu_count() * 2 + 1 in the config file makes the number of workers depend "
        "on the processors.",
        sign=as_computed,
        trigger=served,
        shows=["processors"],
        absent=["documented", "fixed"],
        setting="workers",
        measured=number,
    ),
]

COLUMNS = [
    Column("hooks that ran", lambda o: len(o["ran"])),
    Column("hooks with an option", lambda o: len(o["offered"])),
    Column("exit code", lambda o: o["code"]),
    Column("workers", lambda o: o["workers"]),
    Column("processors", lambda o: o["processors"]),
]
