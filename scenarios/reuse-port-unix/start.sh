#!/bin/sh
# Prints what this kernel says of SO_REUSEPORT, and starts gunicorn on the addresses that BINDS names.
set -eu
python kernel.py
set -- --workers "$WORKERS" --log-level "$LOG_LEVEL"
[ "$REUSE_PORT" = off ] || set -- "$@" --reuse-port
case "$BINDS" in
    both) set -- "$@" --bind unix:/tmp/app.sock --bind 0.0.0.0:18080 ;;
    unix) set -- "$@" --bind unix:/tmp/app.sock ;;
    tcp) set -- "$@" --bind 0.0.0.0:18080 ;;
esac
exec gunicorn "$@" app:app
