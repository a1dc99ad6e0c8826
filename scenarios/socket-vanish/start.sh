#!/bin/sh
# Starts the documented command line. Every factor is passed on it: gunicorn lets the command line win
# over config.py, and with the documented values the two say the same (a test compares them).
set -eu
case "$SO_REUSEPORT" in visible | hidden) ;; *)
    echo "error: SO_REUSEPORT is visible or hidden; got $SO_REUSEPORT" >&2; exit 64 ;; esac
# lab only, from here
case "$WITNESS" in on | off) ;; *) echo "error: WITNESS is on or off; got $WITNESS" >&2; exit 64 ;; esac
if [ "$WITNESS" = on ]; then
    LD_PRELOAD=/usr/local/lib/witness-unlink.so
    export LD_PRELOAD
fi
# lab only, to here
if [ "$SO_REUSEPORT" = hidden ]; then
    # gunicorn 19.7 sets SO_REUSEPORT on its Unix socket, which newer kernels refuse; without the name
    # in Python's socket module it does not try.
    mkdir -p "$HOME/hide"
    printf 'import socket\ndel socket.SO_REUSEPORT\n' > "$HOME/hide/sitecustomize.py"
    PYTHONPATH="$HOME/hide"
    export PYTHONPATH
fi
# The access log ('-', standard output) goes to a file: thousands of lines a second through the engine would slow
# the server down. What it says on standard error stays with the engine, and so is stamped in time.
exec gunicorn web:app -c config.py \
    --bind "$BIND" --workers "$WORKERS" --threads "$THREADS" \
    --worker-class "$WORKER_CLASS" --max-requests "$MAX_REQUESTS" > "$ACCESS_LOG"
