"""Django settings: only what the views need."""

SECRET_KEY = "no secret: this server answers the lab alone"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "lab.urls"
WSGI_APPLICATION = "lab.wsgi.application"
MIDDLEWARE = []
INSTALLED_APPS = []
USE_TZ = True
