"""What gunicorn loads, in each worker, after it has set its signal handlers."""

import os

import handler
import witness
from django.core.wsgi import get_wsgi_application

witness.install()
handler.install()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lab.settings")
application = get_wsgi_application()
