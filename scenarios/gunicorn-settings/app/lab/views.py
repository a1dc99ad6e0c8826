"""Views that sleep, compute, or report about the worker."""

import os
import threading
import time

from django.http import HttpResponse

from views_log import note


def told(request, text):
    """Note the end of the request. Return ``text`` as the response."""
    note("end", request.path)
    return HttpResponse(text, content_type="text/plain")


def who(request):
    """Answer with the pid of the worker."""
    return HttpResponse(str(os.getpid()), content_type="text/plain")


def env(request, name):
    """Answer with a variable of the worker's environment."""
    return HttpResponse(os.environ.get(name, "(not set)"), content_type="text/plain")


def sleep(request, seconds):
    """Sleep, like a request that waits for a database."""
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
    """Sleep for the full time, and catch every exception that would end the request."""
    note("begin", request.path)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        try:
            time.sleep(end - time.monotonic())
        except BaseException:
            continue
    return told(request, str(os.getpid()))


def spewed(request):
    """Execute some lines here, and two lines in a new thread. The experiment `spew` looks for these lines."""
    first_line = 1
    second_line = first_line + 1
    worker = threading.Thread(target=aside)
    worker.start()
    worker.join()
    return HttpResponse(str(second_line), content_type="text/plain")


def aside():
    """Execute two lines in the new thread."""
    third_line = 3
    return third_line


def late(request):
    """Import a package that is not installed. The import fails at the request, not at the start."""
    import lab_package_not_installed

    return HttpResponse(str(lab_package_not_installed))
