#!/bin/sh
# Starts gunicorn. The command line has the settings that a variant may change; config.py has all others.
set -eu
# lab only, from here
case "$WITNESS" in
    on)
        LD_PRELOAD=/usr/local/lib/witness-unlink.so
        export LD_PRELOAD
        ;;
    off) ;;
    *) echo "error: unknown WITNESS: $WITNESS" >&2; exit 2 ;;
esac
# lab only, to here
case "$SO_REUSEPORT" in
    visible) ;;
    hidden)
        # gunicorn 19.7 sets SO_REUSEPORT on its Unix socket, and newer kernels refuse that. gunicorn does not set
        # it if Python's socket module does not have the name.
        mkdir -p "$HOME/hide"
        printf 'import socket\ndel socket.SO_REUSEPORT\n' > "$HOME/hide/sitecustomize.py"
        PYTHONPATH="$HOME/hide"
        export PYTHONPATH
        ;;
    *) echo "error: unknown SO_REUSEPORT: $SO_REUSEPORT" >&2; exit 2 ;;
esac
# The access log ('-', standard output) goes to a file, because thousands of lines a second through the engine would
# slow the server down. The error log (standard error) goes to the engine, which adds accurate timestamps.
exec gunicorn --config config.py \
    --bind "$BIND" --workers "$WORKERS" --threads "$THREADS" \
    --worker-class "$WORKER_CLASS" --max-requests "$MAX_REQUESTS" web:app > "$ACCESS_LOG"
