"""Django's entry, as `django-admin startproject` writes it; the first line says who imported it."""

import os

from views_log import note

note("import", "lab.wsgi")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lab.settings")
if os.environ.get("HANDLERS") == "kept":
    # What Python 3.6.6 did: dictConfig() forgot the old handlers without closing them.
    import logging
    import logging.config

    logging.config._clearExistingHandlers = lambda: (logging._handlers.clear(), logging._handlerList.clear())
import lab.imports  # noqa: E402,F401
from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()
