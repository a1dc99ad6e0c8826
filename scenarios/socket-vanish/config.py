"""The settings that no variant changes; start.sh passes the others on the command line."""

# Not written is what gunicorn leaves off by itself, in every release: spew, daemon, pidfile, user, group, proc_name,
# tmp_upload_dir.

# Seconds: of silence until a worker is killed, and that a connection may be idle.
timeout, keepalive = 30, 2
backlog, worker_connections, umask = 2048, 1000, 0

# Requests go to standard output, all else to standard error.
accesslog = errorlog = "-"
loglevel = "info"
access_log_format = (
    "%(h)s %(l)s %(u)s %(t)s "  # who, when
    '"%(r)s" %(s)s %(b)s '  # what, the status, the bytes
    '"%(f)s" "%(a)s"'  # from which page, with which program
)
