#!/bin/sh
# Starts gunicorn; with WAIT_FOR as soon as that file is there.
set -eu
while [ -n "${WAIT_FOR:-}" ] && [ ! -e "$WAIT_FOR" ]; do sleep 0.1; done
exec gunicorn --bind "$BIND" web:app
