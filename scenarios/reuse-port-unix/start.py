"""gunicorn starts with --reuse-port and a Unix socket: whom does it serve, and what does its master do?"""

import json

from reprolab import Claim, Column, InvalidTrial, logs

# Where the start fails, that is what is observed.
MAY_FAIL_TO_START = True
OFF, NEWEST = {"REUSE_PORT": "off"}, {"GUNICORN": "27.0.1"}
THREE = {"WORKERS": "3", "PATCH": "inet-only"}
EARLIER = ("19.9.0", "20.1.0")
LATER = ("24.1.1", "25.3.0", "26.1.0", "27.0.1")
VARIANTS = {
    "documented": {},
    "gunicorn-19.9.0": {"GUNICORN": "19.9.0", "PYTHON": "3.9.18"},
    **{f"gunicorn-{release}": {"GUNICORN": release} for release in ("20.1.0", "24.0.0", *LATER)},
    # One setting changed, in the documented release and in the newest one.
    "unix-only": {"BINDS": "unix"},
    "tcp-only": {"BINDS": "tcp"},
    "without-option": OFF,
    "27.0.1-tcp-only": NEWEST | {"BINDS": "tcp"},
    "27.0.1-without-option": NEWEST | OFF,
    "20.1.0-debug": {"GUNICORN": "20.1.0", "LOG_LEVEL": "debug"},
    # The cause: two changes of one expression.
    "inet-only": {"PATCH": "inet-only"},
    "forgiving": {"PATCH": "forgiving"},
    "27.0.1-inet-only": NEWEST | {"PATCH": "inet-only"},
    "three-workers": THREE,
    "27.0.1-three-workers": NEWEST | THREE,
    # The same image on a kernel without the change: "not run here", where the kernel has it.
    "kernel-accepts": {"KERNEL_ANSWER": "accepts"},
}
TRIALS = 3
PARALLEL = True

LIMIT = 20.0  # seconds: four times as long as the five tries take
TRIES = 5
EOPNOTSUPP = 95
REASON = "[Errno 95]"


def drive(stack):
    """The start; and, if the server is still there then, what its clients get on the Unix socket."""
    start = stack.start(limit=LIMIT)
    unix = [] if start.ended or stack.factors["BINDS"] == "tcp" else asked(stack)
    return {"start": start.to_json(), "unix": unix, "workers": int(stack.factors["WORKERS"])}


def asked(stack):
    """The answers to twelve clients at once on the Unix socket: pids, or names of errors."""
    code, text = stack.execute("app", ["python", "ask.py"])
    if code:
        raise InvalidTrial(f"ask.py: {text}")
    return json.loads(text)


def observe(evidence, driven):
    """What the stack's kernel said of the option, and what gunicorn's log says of its tries and of its workers."""
    lines = list(evidence.lines("app"))
    texts = [line.decode("utf-8", "replace") for line in lines]
    return driven | {
        "kernel": next((row["kernel"] for row in logs.json_objects(lines, '{"kernel": ')), None),
        "began": any(logs.GUNICORN.search("master_starting", line) for line in lines),
        "booted": sum(bool(logs.GUNICORN.search("started", line)) for line in lines),
        "tries": sum("Retrying in 1 second" in text or "connection to /" in text for text in texts),
        "gave_up": sum("Can't connect to /tmp/app.sock" in text for text in texts),
        "reason": any(REASON in text for text in texts),
    }


# -- triggers ------------------------------------------------------------------------------------


def began(o):
    """gunicorn itself began to start."""
    return o["began"]


def kernel_refuses(o):
    """It did, and the kernel refuses the option on a Unix socket, and not on a TCP socket."""
    return o["began"] and o["kernel"]["unix"] == EOPNOTSUPP and o["kernel"]["tcp"] is None


# -- signs: pure functions of one observation ----------------------------------------------------


def serves_nobody(o):
    """No client had an answer, neither on the port nor on the Unix socket."""
    return not o["start"]["answered"] and not pids(o)


def pids(o):
    """The workers that answered on the Unix socket."""
    return {answer for answer in o["unix"] if isinstance(answer, int)}


def hangs(o):
    """It serves nobody and runs on."""
    return serves_nobody(o) and o["start"]["exit_status"] is None


def ends_after_tries(o):
    """It gave the Unix socket up once, after five tries, and ended with status 1; no worker was started."""
    return o["start"]["exit_status"] == 1 and (o["tries"], o["gave_up"], o["booted"]) == (TRIES, 1, 0)


def workers_for_ever(o):
    """It runs on and serves nobody; a worker gave the Unix socket up, and another one was started."""
    return hangs(o) and o["gave_up"] >= 1 and o["booted"] > o["workers"]


def without_a_reason(o):
    """It gave the Unix socket up, and no line has the kernel's answer."""
    return o["gave_up"] > 0 and not o["reason"]


def reached_once(o):
    """Each of the twelve clients had an answer, and all from one worker of several."""
    return o["workers"] > 1 and len(pids(o)) == 1 and all(isinstance(answer, int) for answer in o["unix"])


def claim(number, text, sign, shows, absent, trigger=kernel_refuses, **more):
    """A claim on a sign."""
    return Claim(f"RU-{number}", text, sign=sign, trigger=trigger, shows=shows, absent=absent, **more)


EARLIER_VARIANTS = [f"gunicorn-{release}" for release in EARLIER]
LATER_VARIANTS = [f"gunicorn-{release}" for release in LATER]
GOOD = ["tcp-only", "without-option", "27.0.1-tcp-only", "27.0.1-without-option"]
CLAIMS = [
    claim(
        1,
        "With --reuse-port and a Unix socket among its addresses gunicorn serves nobody, nor on its port.",
        serves_nobody,
        ["documented", "unix-only", *EARLIER_VARIANTS, "gunicorn-24.0.0", *LATER_VARIANTS],
        GOOD,
        trigger=began,
    ),
    claim(2, "The arbiter hangs.", hangs, ["documented"], ["without-option"], but=["RU-3", "RU-4"]),
    claim(
        3,
        "Up to 23.0.0 the master gives up after five tries, and ends with exit status 1.",
        ends_after_tries,
        ["documented", "unix-only", *EARLIER_VARIANTS],
        ["without-option", "gunicorn-24.0.0"],
    ),
    claim(
        4,
        "From 24.1.1 on the master runs on, without any socket, and replaces its workers for ever; 24.0.0 does not "
        "replace them.",
        workers_for_ever,
        LATER_VARIANTS,
        ["documented", "gunicorn-24.0.0", "27.0.1-without-option"],
    ),
    claim(
        5,
        "The cause: the kernel answers EOPNOTSUPP, and gunicorn forgives ENOPROTOOPT and EINVAL only.",
        serves_nobody,
        ["documented", "gunicorn-27.0.1"],
        ["inet-only", "forgiving", "27.0.1-inet-only"],
    ),
    claim(
        6,
        "In 27.0.1 this change is not enough: several workers take the Unix path from each other.",
        reached_once,
        ["27.0.1-three-workers"],
        ["three-workers", "27.0.1-inet-only"],
    ),
    claim(
        7,
        "Up to 20.1.0 the log does not name the reason, except with --log-level debug.",
        without_a_reason,
        EARLIER_VARIANTS,
        ["documented", "20.1.0-debug"],
    ),
]

COLUMNS = [
    Column("answers on the port", lambda o: "yes" if o["start"]["answered"] else o["start"]["answer"]),
    Column(
        "on the Unix socket", lambda o: f"{len(pids(o))} workers" if pids(o) else "/".join(sorted({*o["unix"]})) or None
    ),
    Column("ends", lambda o: "runs on" if o["start"]["exit_status"] is None else f"status {o['start']['exit_status']}"),
    Column("gave up", lambda o: o["gave_up"]),
    Column("workers started", lambda o: o["booted"]),
    Column("kernel", lambda o: f"{o['kernel']['release']}: errno {o['kernel']['unix']}", note=True),
]
