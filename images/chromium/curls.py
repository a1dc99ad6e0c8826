"""Run curl twice, the second time LAG seconds after the first; print the times of both as one line of JSON.

curls.py LAG URL_A URL_B
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

# curl runs for at most 25 s. After the body it prints a line of JSON, with times in seconds since its start.
COMMAND = ("curl", "--silent", "--show-error", "--max-time", "25", "--write-out", r"\n%{json}")


def fetch(url):
    """Run curl once. Return its times in seconds since the epoch.

    curl reports seconds since its start. The start is calculated from the end, which is measured more exactly.
    """
    asked = time.time()
    done = subprocess.run([*COMMAND, url], capture_output=True, text=True, check=False)
    ended = time.time()
    if done.returncode:
        sys.exit(f"curl: {done.returncode} {done.stderr}")
    text, _, times_line = done.stdout.rpartition("\n")
    times = json.loads(times_line)
    started = ended - times["time_total"]
    return {
        "asked": asked,
        "sent": started + times["time_pretransfer"],
        "first": started + times["time_starttransfer"],
        "complete": ended,
        "closed": ended,
        "text": text,
    }


def main():
    """Start both requests, then wait for both."""
    lag, *urls = sys.argv[1:]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fetch, urls[0])
        time.sleep(float(lag))
        second = pool.submit(fetch, urls[1])
        print(json.dumps({"version": "curl", "A": first.result(), "B": second.result()}))


if __name__ == "__main__":
    main()
