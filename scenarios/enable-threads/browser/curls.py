"""Two runs of curl, the second begun a little after the first; prints one line of JSON with what came when.

curls.py LAG URL_A URL_B
"""

import json
import subprocess
import sys
import time

# No more than 25 s; after the body a line of its own with seconds since curl's begin.
COMMAND = ("curl", "--silent", "--show-error", "--max-time", "25", "--write-out", r"\n%{json}")


def start(url):
    """Begin one; curl counts from when it runs."""
    process = subprocess.Popen([*COMMAND, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return time.time(), process


def told(began, process):
    """Its times, as seconds since the epoch."""
    printed, errors = process.communicate()
    if process.returncode:
        sys.exit(f"curl: {process.returncode} {errors}")
    text, _, figures = printed.rpartition("\n")
    times = {name: began + value for name, value in json.loads(figures).items() if name.startswith("time_")}
    return {
        "asked": began,
        "sent": times["time_pretransfer"],
        "first": times["time_starttransfer"],
        "complete": times["time_total"],
        "closed": times["time_total"],
        "text": text,
    }


def main():
    """Start both, then wait for both."""
    lag, *urls = sys.argv[1:]
    a = start(urls[0])
    time.sleep(float(lag))
    b = start(urls[1])
    print(json.dumps({"version": "curl", "A": told(*a), "B": told(*b)}))


if __name__ == "__main__":
    main()
