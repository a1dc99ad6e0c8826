"""The WSGI application. Each gunicorn worker loads it after the worker has set its signal handlers."""

import os

import handler
import witness
from django.core.wsgi import get_wsgi_application

witness.install()
handler.install()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lab.settings")
application = get_wsgi_application()
