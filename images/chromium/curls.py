"""Two runs of curl, the second begun a little after the first; prints one line of JSON with what came when.

curls.py LAG URL_A URL_B
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

# No more than 25 s; after the body a line of its own with seconds since curl's begin.
COMMAND = ("curl", "--silent", "--show-error", "--max-time", "25", "--write-out", r"\n%{json}")


def ask(url):
    """One run; its times, as seconds since the epoch. curl counts from when it runs, which its end tells best."""
    asked = time.time()
    done = subprocess.run([*COMMAND, url], capture_output=True, text=True, check=False)
    ended = time.time()
    if done.returncode:
        sys.exit(f"curl: {done.returncode} {done.stderr}")
    text, _, printed = done.stdout.rpartition("\n")
    figures = json.loads(printed)
    began = ended - figures["time_total"]
    return {
        "asked": asked,
        "sent": began + figures["time_pretransfer"],
        "first": began + figures["time_starttransfer"],
        "complete": ended,
        "closed": ended,
        "text": text,
    }


def main():
    """Start both, then wait for both."""
    lag, *urls = sys.argv[1:]
    with ThreadPoolExecutor(2) as pool:
        a = pool.submit(ask, urls[0])
        time.sleep(float(lag))
        b = pool.submit(ask, urls[1])
        print(json.dumps({"version": "curl", "A": a.result(), "B": b.result()}))


if __name__ == "__main__":
    main()
