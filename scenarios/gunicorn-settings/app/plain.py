"""A WSGI application without Django. With DICTCONFIG=on it calls logging.config.dictConfig(), as Django does."""

import logging.config
import os
import time

from views_log import note

note("import", "plain")
if os.environ.get("DICTCONFIG") == "on":
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})


def application(environ, start_response):
    """Answer with the pid of the worker. /sleep/SECONDS sleeps first."""
    path = environ["PATH_INFO"]
    note("begin", path)
    if path.startswith("/sleep/"):
        time.sleep(float(path.split("/")[2]))
    body = str(os.getpid()).encode()
    note("end", path)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
