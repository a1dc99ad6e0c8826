"""Django's WSGI file, as `django-admin startproject` writes it. It also notes which process imports it."""

import os

from views_log import note

note("import", "lab.wsgi")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lab.settings")
if os.environ.get("HANDLERS") == "kept":
    # The behaviour of Python 3.6.6: dictConfig() removes the old handlers from its lists, but does not close them.
    import logging
    import logging.config

    logging.config._clearExistingHandlers = lambda: (logging._handlers.clear(), logging._handlerList.clear())
import lab.imports  # noqa: E402,F401
from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()
