"""Has the server's container stopped while a request runs, and sends new requests in the grace time.

It runs in the network of the server. Exit status: 10 if the kill cuts a request, 11 if not, any other if this cannot be
told.
"""

import http.client
import sys
import threading
import time

SHOWS, ABSENT, UNTOLD = 10, 11, 12
START, GRACE = 60.0, 12  # seconds
EARLY = 3  # seconds that the request takes that runs when the stop begins
LATE_AT = 6.0  # when the new requests are sent, in seconds after the order to stop
LATE = 24  # seconds that the last request takes, so that it runs when the grace time ends
CUT, REFUSED = "closed without answer", "refused"
KILLED = 137


def main():
    """Have the container stopped; return the exit status."""
    end = time.monotonic() + START
    while outcome(0) != "200":
        if time.monotonic() > end:
            return untold("the server does not answer")
        time.sleep(0.2)
    early = []
    asked = threading.Thread(target=lambda: early.append(outcome(EARLY)))
    asked.start()
    time.sleep(1)
    began = time.monotonic()
    print(f"@stop app {GRACE}", flush=True)
    time.sleep(LATE_AT)
    sent = time.monotonic() - began
    quick, late = outcome(0), outcome(LATE)
    asked.join()
    status, took = map(int, sys.stdin.readline().split())
    print(f"the request that ran when the stop began:   {early[0]}")
    print(f"a quick request {sent:.1f} s after that:          {quick}")
    print(f"a slow request after it:                    {late}")
    print(f"the container ended after {took} s, status {status}")
    if early[0] not in ("200", CUT):
        return untold("the first request did not run")
    return decide(status, took, sent, quick, late)


def decide(status, took, sent, quick, late):
    """Return the exit status for what was seen; `took` and `sent` are seconds after the order to stop."""
    if status == KILLED and took < GRACE - 1:
        return untold("the container was killed before the grace time was over")
    # The engine sends SIGTERM and, after the grace time, SIGKILL.
    if status == KILLED and took - GRACE > sent - 2:
        return untold("SIGTERM came too late, the new requests may have been sent before it")
    return SHOWS if (status, quick, late) == (KILLED, "200", CUT) else ABSENT


def outcome(seconds):
    """Send a request that takes some seconds; return its status, or what became of it."""
    connection = http.client.HTTPConnection("127.0.0.1", 18080, timeout=60)
    try:
        connection.request("GET", f"/{seconds}")
        return str(connection.getresponse().status)
    except ConnectionRefusedError:
        return REFUSED
    except (ConnectionResetError, BrokenPipeError):
        return CUT
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def untold(why):
    """Print why nobody can tell; return that exit status."""
    print(f"could not tell: {why}")
    return UNTOLD


if __name__ == "__main__":
    sys.exit(main())
