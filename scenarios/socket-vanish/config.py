"""The settings that no variant changes. start.sh passes the others on the command line."""

# Settings that every release turns off by default are left out: spew, daemon, pidfile, user, group, proc_name,
# tmp_upload_dir.

# In seconds. timeout: a worker that is silent for so long is killed. keepalive: a connection may be idle for so long.
timeout, keepalive = 30, 2
backlog, worker_connections, umask = 2048, 1000, 0

# "-" is standard output for the access log, and standard error for the error log.
accesslog = errorlog = "-"
loglevel = "info"
access_log_format = (
    "%(h)s %(l)s %(u)s %(t)s "  # client, time
    '"%(r)s" %(s)s %(b)s '  # request line, status, length
    '"%(f)s" "%(a)s"'  # referrer, user agent
)
