"""Starts the server with an application whose startup fails, and looks at the exit status of the server."""

import os
import sys

from server import Server, Untold, main

HYPERCORN = os.path.join(os.path.dirname(sys.executable), "hypercorn")
LIMIT = 40.0  # seconds; the server ends after a few
FAILED = '"lifespan.startup.failed"'
ERROR = "LifespanFailureError"


def drive():
    """Return whether the server ends with status 0 though its startup failed."""
    workers = os.environ["WORKERS"]
    print(f"hypercorn --workers {workers}")
    with Server([HYPERCORN, "--bind", "{address}", "--workers", workers, "app:app"]) as server:
        status = server.ended(LIMIT)
        lines = server.lines()
    if not any(FAILED in line for line in lines):
        raise Untold("the application did not report a failed startup")
    errors = [line for line in lines if line.startswith("hypercorn.") and ERROR in line]
    if status is None or not errors:
        raise Untold(f"the failed startup did not end the server with {ERROR}")
    print(f"the last error:  {errors[-1]}")
    print(f"exit status:     {status}")
    return status == 0


if __name__ == "__main__":
    main(drive)
