"""The document's thread with a name and a clock, and views that tell about their process."""

import json
import os
import socket
import threading
import time

import gil
from django.http import HttpResponse

PERIOD = 2.0  # seconds between two lines, as in the document


def say(**facts):
    """One line of JSON on standard output, in one piece."""
    line = json.dumps(dict(facts, at=time.time(), pid=os.getpid())) + "\n"
    os.write(1, line.encode())


def answer(**facts):
    """The same as a response."""
    return HttpResponse(json.dumps(dict(facts, pid=os.getpid())), content_type="application/json")


def pause_sleep():
    """The document's way to wait."""
    time.sleep(PERIOD)


def pause_recv():
    """What the document says does the same: a read from a socket on which nothing comes, with a time limit."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PERIOD)
    try:
        ours.recv(1)
    except socket.timeout:
        pass
    finally:
        ours.close()
        theirs.close()


def pause_compute():
    """Pure computation."""
    end = time.monotonic() + PERIOD
    while time.monotonic() < end:
        sum(range(1000))


PAUSES = {"sleep": pause_sleep, "recv": pause_recv, "compute": pause_compute}


def ticks(name):
    """The document's handler: a line, then a pause, for ever."""
    pause, number = PAUSES[os.environ["KIND"]], 0
    while True:
        say(tick=name, number=number)
        pause()
        number += 1


def index(request):
    """Answer at once."""
    return answer(up=True)


def thread(request, name, seconds):
    """Start the thread, and hold the request for a while."""
    say(begin=name)
    threading.Thread(target=ticks, args=(name,), name=name, daemon=True).start()
    if seconds:
        time.sleep(seconds)
    say(end=name)
    return answer(name=name)


def hold(request, seconds):
    """A request that starts no thread and sleeps."""
    say(begin="hold")
    time.sleep(seconds)
    say(end="hold")
    return answer(name="hold")


def state(request, name):
    """The interpreter's own view: its lock, and the threads it knows."""
    say(begin=name)
    threads = sorted(one.name for one in threading.enumerate())
    say(end=name)
    return answer(gil_at_load=os.environ["GIL_AT_LOAD"], gil=gil.initialised(), threads=threads)


def busy(request, milliseconds):
    """Compute for a while; tells when it began and ended, by the clock."""
    begun = time.time()
    while time.time() - begun < milliseconds / 1000:
        sum(range(1000))
    return answer(began=begun, ended=time.time())
