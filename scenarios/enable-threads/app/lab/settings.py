"""Django settings: no more than the views need."""

import os
from pathlib import Path

SECRET_KEY = "no secret: this server answers the lab alone"
DEBUG = False
ALLOWED_HOSTS = ["*"]
# The document does not show its template: a page on its own, or one with a style sheet from the same server.
STYLED = os.environ.get("PAGE", "plain") == "styled"
ROOT_URLCONF = "lab.styled" if STYLED else "lab.urls"
WSGI_APPLICATION = "lab.wsgi.application"
# Without it, as far as Django goes, an answer has no Content-Length, and ends with its connection.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"] if os.environ.get("LENGTH", "none") == "sent" else []
INSTALLED_APPS = []
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [str(Path(__file__).resolve().parents[1] / ("templates-styled" if STYLED else "templates"))],
    }
]
