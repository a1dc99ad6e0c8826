"""Views that start a thread, sleep, compute, or report the state of their process."""

import json
import os
import socket
import threading
import time

import gil
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from lab.factors import chosen

PERIOD = 2.0  # seconds between two lines of a thread, as in the document
COMPUTING = 3.0  # seconds of computation for the page, as in the document


def say(**facts):
    """Write one line of JSON to standard output, in a single write."""
    line = json.dumps(dict(facts, at=time.time(), pid=os.getpid())) + "\n"
    os.write(1, line.encode())


def answer(**facts):
    """Return a JSON response with these facts and the pid."""
    return HttpResponse(json.dumps(dict(facts, pid=os.getpid())), content_type="application/json")


def pause_sleep():
    """Wait with time.sleep(), as the document does."""
    time.sleep(PERIOD)


def pause_recv():
    """Wait in recv() until its timeout. The document says that this has the same effect as time.sleep()."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PERIOD)
    try:
        ours.recv(1)
    except socket.timeout:
        pass
    finally:
        ours.close()
        theirs.close()


def compute(seconds=PERIOD):
    """Compute for ``seconds``. Return when this began and ended, in seconds since the epoch."""
    began, end = time.time(), time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
    return began, time.time()


pause = chosen("KIND", {"sleep": pause_sleep, "recv": pause_recv, "compute": compute})


def ticks(name):
    """Print a line, pause, and repeat forever. This is the target of the thread."""
    number = 0
    while True:
        say(tick=name, number=number)
        pause()
        number += 1


def index(request):
    """Answer at once."""
    return answer(up=True)


def thread(request, name, seconds):
    """Start the thread, sleep for ``seconds``, then answer."""
    say(begin=name)
    threading.Thread(target=ticks, args=(name,), name=name, daemon=True).start()
    if seconds:
        time.sleep(seconds)
    say(end=name)
    return answer(name=name)


def hold(request, seconds):
    """Sleep, then answer. Start no thread."""
    say(begin="hold")
    time.sleep(seconds)
    say(end="hold")
    return answer(name="hold")


def state(request, name):
    """Answer with the state of the interpreter's lock (GIL) and the names of its threads."""
    say(begin=name)
    threads = sorted(one.name for one in threading.enumerate())
    say(end=name)
    return answer(gil_at_load=os.environ["GIL_AT_LOAD"], gil=gil.initialised(), threads=threads)


def busy(request, milliseconds):
    """Compute, then answer with the times of the begin and the end."""
    began, ended = compute(milliseconds / 1000)
    return answer(began=began, ended=ended)


def page(request):
    """Compute for 3 s, then answer with a page that shows the pid and the times of the begin and the end."""
    began, ended = (f"{moment:.6f}" for moment in compute(COMPUTING))
    return render(request, "page.html", {"pid": os.getpid(), "began": began, "ended": ended, "styled": settings.STYLED})


def style(request):
    """Answer at once with the style sheet of the page."""
    return HttpResponse("p { color: green }\n", content_type="text/css")
