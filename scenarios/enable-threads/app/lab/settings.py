"""Django settings: no more than the views need."""

from pathlib import Path

SECRET_KEY = "no secret: this server answers the lab alone"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "lab.urls"
WSGI_APPLICATION = "lab.wsgi.application"
MIDDLEWARE = []
INSTALLED_APPS = []
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [str(Path(__file__).resolve().parents[1] / "templates")],
    }
]
