"""Django settings: no more than the views need."""

import os
from pathlib import Path

SECRET_KEY = "no secret: this server answers the lab alone"
DEBUG = False
ALLOWED_HOSTS = ["*"]
# The document does not show its template: a page on its own, or one with a style sheet from the same server.
STYLED = {"plain": False, "styled": True}[os.environ.get("PAGE", "plain")]
ROOT_URLCONF = "lab.styled" if STYLED else "lab.urls"
WSGI_APPLICATION = "lab.wsgi.application"
# An answer without a Content-Length ends with its connection.
MIDDLEWARE = {"none": [], "sent": ["django.middleware.common.CommonMiddleware"]}[os.environ.get("LENGTH", "none")]
INSTALLED_APPS = []
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [str(Path(__file__).resolve().parents[1] / ("templates-styled" if STYLED else "templates"))],
    }
]
