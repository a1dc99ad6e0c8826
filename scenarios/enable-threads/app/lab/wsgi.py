"""What the server loads."""

import os

import gil

# Before Django is there: an import of ctypes, as some of its modules bring about, initialises the lock by itself.
os.environ["GIL_AT_LOAD"] = str(gil.initialised())
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lab.settings")
application = get_wsgi_application()
