"""What all experiments share: wait until the workers have settled, and see whether they stayed."""

import re

from reprolab import logs, wait_until

STARTED, COMPLETE, DIED = (logs.UVICORN.pattern(kind) for kind in ("started", "ready", "died"))
LIMIT = 60.0  # seconds; on a busy machine a parent may replace several workers before all are up


def wanted(factors):
    """How many workers there are to be."""
    return 1 if factors["RELOAD"] == "True" else int(factors["WORKERS"])


def serving(stack):
    """The pids of the workers that have started and live, in the order in which they logged that they had started.

    Since 0.30.0 uvicorn's parent kills a worker that does not answer within 5 s, which happens on a busy machine, and
    starts another.
    """
    text = "\n".join(stack.printed("app"))
    started, died = re.findall(STARTED, text), set(re.findall(DIED, text))
    alive = stack.processes().processes
    return [int(pid) for pid in started if pid not in died and int(pid) in alive]


def wait_settled(stack):
    """Wait until as many workers serve as there are to be, none of them being replaced; their pids as `serving` has."""
    number = wanted(stack.factors)
    stack.wait_printed(COMPLETE, number)

    def enough():
        pids = serving(stack)
        return len(pids) == number and pids

    return wait_until(f"{number} workers serve", enough, LIMIT, interval=0.3, state=lambda: serving(stack))
