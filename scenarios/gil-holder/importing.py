"""The module of the application keeps the GIL while it is imported: does the server ever start?"""

from reprolab import Claim, Column, logs

from .holding import NEWEST

MAY_FAIL_TO_START = True
IMPORT = {"AT": "import", "HOLD": "12"}
VARIANTS = {
    "documented": {},
    "import": IMPORT,
    "import-cdll": IMPORT | {"HOLDER": "CDLL"},
    "import-8": IMPORT | {"HOLD": "8"},  # near the limit of the second worker: no claim is about it
    "import-0.29.0": IMPORT | {"UVICORN": "0.29.0"},
    "import-0.54.0": IMPORT | NEWEST,
    "import-0.54.0-timeout-30": IMPORT | NEWEST | {"TIMEOUT": "30"},
}
TRIALS = 3
PARALLEL = True


def drive(stack):
    """The start of the server."""
    return stack.start(limit=40).to_json()


def observe(evidence, driven):
    """What the log adds: how often a worker began the call, and how many the parent gave up."""
    lines = list(evidence.lines("app"))
    died = sum(bool(logs.UVICORN.search("died", line)) for line in lines)
    return driven | {"imports": sum(b"holds " in line for line in lines), "died": died}


def imported(o):
    """Workers began to import the module."""
    return o["imports"] > 1


def never_starts(o):
    """Nobody answered; the server runs on, and kills one worker after the other."""
    return not o["answered"] and o["exit_status"] is None and o["died"] > 2


TEXT = "A module that keeps the GIL while it is imported keeps the server from starting: each worker is killed first."
ABSENT = ["import-cdll", "import-0.29.0", "import-0.54.0-timeout-30"]
CLAIMS = [Claim("GH-7", TEXT, sign=never_starts, trigger=imported, shows=["import", "import-0.54.0"], absent=ABSENT)]
COLUMNS = [
    Column("starts", lambda o: "yes" if o["answered"] else "never"),
    Column("imports begun", lambda o: o["imports"]),
    Column("workers killed", lambda o: o["died"]),
]
