"""The WSGI application that the server loads."""

import os

import gil

# This runs before Django is imported: some of its modules cause an import of ctypes, which initialises the lock (GIL).
os.environ["GIL_AT_LOAD"] = str(gil.initialised())
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lab.settings")
application = get_wsgi_application()
