"""Copies service logs from containers, and reads them. Experiments use the names below as ``logs.NAME``."""

from reprolab.logs.access_log import BUCKET_MS, AccessSummary, access_summary, counts_per_step
from reprolab.logs.error_log import NginxMessage, nginx_errors
from reprolab.logs.json_lines import json_object, json_objects
from reprolab.logs.python_tracebacks import Traceback, tracebacks
from reprolab.logs.servers import GUNICORN, H2O, NGINX, UVICORN, UWSGI, LineType
from reprolab.logs.timestamps import Clock, moment_ns, split_timestamp

__all__ = [
    "BUCKET_MS",
    "GUNICORN",
    "H2O",
    "NGINX",
    "UVICORN",
    "UWSGI",
    "AccessSummary",
    "Clock",
    "LineType",
    "NginxMessage",
    "Traceback",
    "access_summary",
    "counts_per_step",
    "json_object",
    "json_objects",
    "moment_ns",
    "nginx_errors",
    "split_timestamp",
    "tracebacks",
]
