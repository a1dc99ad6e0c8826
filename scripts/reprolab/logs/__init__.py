"""Service logs: captured from containers, read line by line. Experiments use the names below as ``logs.NAME``."""

from reprolab.logs.access_log import BUCKET_MS, AccessSummary, access_summary, counts_per_step
from reprolab.logs.python_tracebacks import Traceback, tracebacks
from reprolab.logs.timestamps import STAMP, Clock, moment_ns

__all__ = [
    "BUCKET_MS",
    "STAMP",
    "AccessSummary",
    "Clock",
    "Traceback",
    "access_summary",
    "counts_per_step",
    "moment_ns",
    "tracebacks",
]
