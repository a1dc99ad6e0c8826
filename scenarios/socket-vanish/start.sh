#!/bin/sh
# Starts gunicorn: what a variant may change is on the command line, all else in config.py.
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
        # gunicorn 19.7 sets SO_REUSEPORT on its Unix socket, which newer kernels refuse; without the name
        # in Python's socket module it does not try.
        mkdir -p "$HOME/hide"
        printf 'import socket\ndel socket.SO_REUSEPORT\n' > "$HOME/hide/sitecustomize.py"
        PYTHONPATH="$HOME/hide"
        export PYTHONPATH
        ;;
    *) echo "error: unknown SO_REUSEPORT: $SO_REUSEPORT" >&2; exit 2 ;;
esac
# The access log ('-', standard output) goes to a file: thousands of lines a second through the engine would slow
# the server down. What it says on standard error stays with the engine, and so is stamped in time.
exec gunicorn --config config.py \
    --bind "$BIND" --workers "$WORKERS" --threads "$THREADS" \
    --worker-class "$WORKER_CLASS" --max-requests "$MAX_REQUESTS" web:app > "$ACCESS_LOG"
