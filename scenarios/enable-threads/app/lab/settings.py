"""Django settings: only what the views need."""

from pathlib import Path

from lab.factors import chosen

SECRET_KEY = "no secret: this server answers the lab alone"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "lab.urls"
WSGI_APPLICATION = "lab.wsgi.application"
# The document does not show its template. PAGE selects a page without or with a style sheet from the same server.
STYLED = chosen("PAGE", {"plain": False, "styled": True})
# This middleware adds the Content-Length. Without it, the end of the connection marks the end of the answer.
MIDDLEWARE = chosen("LENGTH", {"none": [], "sent": ["django.middleware.common.CommonMiddleware"]})
INSTALLED_APPS = []
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [str(Path(__file__).resolve().parents[1] / "templates")],
    }
]
