"""Django settings. The variables LOGGING, DICTCONFIG and NEEDS change them."""

import os

SECRET_KEY = "a laboratory's"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "lab.urls"
MIDDLEWARE = []
INSTALLED_APPS = []
USE_TZ = True

CONSOLE = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"lab": {"handlers": ["console"], "level": "INFO"}},
}
_named = dict(CONSOLE["loggers"], **{"gunicorn.access": {"level": "INFO"}})
_handled = dict(CONSOLE["loggers"], **{"gunicorn.access": {"level": "INFO", "handlers": ["console"]}})
_nowhere = {"console": {"class": "logging.FileHandler", "filename": "/nowhere/app.log"}}
LOGGINGS = {
    "none": {},
    "kept": dict(CONSOLE, disable_existing_loggers=False),
    "without": CONSOLE,
    "disabled": dict(CONSOLE, disable_existing_loggers=True),
    "named": dict(CONSOLE, loggers=_named),
    "handled": dict(CONSOLE, loggers=_handled),
    "nowhere": dict(CONSOLE, handlers=_nowhere),
}
LOGGING = LOGGINGS[os.environ["LOGGING"]]
if os.environ["DICTCONFIG"] == "off":
    LOGGING_CONFIG = None
if os.environ["NEEDS"] != "nothing":
    # Like many projects, this one does not start without its variable.
    WANTED = os.environ[os.environ["NEEDS"]]
