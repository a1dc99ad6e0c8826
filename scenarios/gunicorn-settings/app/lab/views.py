"""Views that sleep, compute, tell who they are."""

import os
import threading
import time

from django.http import HttpResponse

from views_log import note


def told(request, text):
    """An answer."""
    note("end", request.path)
    return HttpResponse(text, content_type="text/plain")


def who(request):
    """The pid of the worker."""
    return HttpResponse(str(os.getpid()), content_type="text/plain")


def env(request, name):
    """A variable of the worker's environment."""
    return HttpResponse(os.environ.get(name, "(not set)"), content_type="text/plain")


def sleep(request, seconds):
    """Wait, as for a database."""
    note("begin", request.path)
    time.sleep(float(seconds))
    return told(request, str(os.getpid()))


def compute(request, seconds):
    """Keep the processor busy."""
    note("begin", request.path)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        sum(range(1000))
    return told(request, str(os.getpid()))


def stubborn(request, seconds):
    """Sleep, and do not let oneself be ended by an exception."""
    note("begin", request.path)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        try:
            time.sleep(end - time.monotonic())
        except BaseException:
            continue
    return told(request, str(os.getpid()))


def spewed(request):
    """Three lines here, two in a thread of its own."""
    first_line = 1
    second_line = first_line + 1
    worker = threading.Thread(target=aside)
    worker.start()
    worker.join()
    return HttpResponse(str(second_line), content_type="text/plain")


def aside():
    """Two lines in a thread."""
    third_line = 3
    return third_line


def late(request):
    """Import what the project needs only when it is asked."""
    import lab_package_not_installed

    return HttpResponse(str(lab_package_not_installed))
