"""The same views, and a style sheet from the same server, as a page of a real site has one."""

from django.http import HttpResponse
from django.urls import include, path


def style(request):
    """Answered at once."""
    return HttpResponse("p { color: green }\n", content_type="text/css")


urlpatterns = [path("", include("lab.urls")), path("style.css", style)]
