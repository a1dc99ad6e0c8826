"""The five tasks behind a view."""

import runners
from django.http import HttpResponse


def index(request):
    """Answer at once."""
    return HttpResponse("up\n", content_type="text/plain")


def run(request, number):
    """Run the five tasks; an exception of theirs becomes Django's 500."""
    return HttpResponse("{}\n".format(runners.run(number)), content_type="text/plain")
