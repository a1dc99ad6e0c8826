"""The views."""

import runners
from django.http import HttpResponse


def index(request):
    """Answer at once."""
    return HttpResponse("up\n", content_type="text/plain")


def run(request, number):
    """Run the five tasks. Django answers 500 if they raise an exception."""
    return HttpResponse("{}\n".format(runners.run(number)), content_type="text/plain")
