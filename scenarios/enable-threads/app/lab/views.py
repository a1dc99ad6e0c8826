"""A thread that prints, a page that takes its time, and views that tell about their process."""

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
COMPUTING = 3.0  # seconds that the page takes, as in the document


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


def compute(seconds=PERIOD):
    """Pure computation; when it began and ended, by the clock."""
    began, end = time.time(), time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
    return began, time.time()


pause = chosen("KIND", {"sleep": pause_sleep, "recv": pause_recv, "compute": compute})


def ticks(name):
    """What a thread does: a line, then a pause, for ever."""
    number = 0
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
    """Compute for a while."""
    began, ended = compute(milliseconds / 1000)
    return answer(began=began, ended=ended)


def page(request):
    """A page that takes 3 s of computing, and says who computed and from when to when."""
    began, ended = (f"{moment:.6f}" for moment in compute(COMPUTING))
    return render(request, "page.html", {"pid": os.getpid(), "began": began, "ended": ended, "styled": settings.STYLED})


def style(request):
    """The page's style sheet, answered at once."""
    return HttpResponse("p { color: green }\n", content_type="text/css")
