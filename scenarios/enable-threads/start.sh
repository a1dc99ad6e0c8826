#!/bin/sh
# Starts the server that SERVER names. FLAGS are options as they stand on the command line, or none.
set -eu
options=$FLAGS
[ "$options" = none ] && options=
case "$KIND" in sleep | recv | compute) ;; *) echo "error: KIND is sleep, recv or compute; got $KIND" >&2; exit 64 ;; esac
case "$SERVER" in
    uwsgi)
        case "$FRONT" in http | http-socket | socket) ;; *)
            echo "error: FRONT is http, http-socket or socket; got $FRONT" >&2; exit 64 ;; esac
        # Several options are several words.
        # shellcheck disable=SC2086
        exec uwsgi "--$FRONT" 0.0.0.0:8000 --module lab.wsgi:application $options ;;
    gunicorn)
        # shellcheck disable=SC2086
        exec gunicorn lab.wsgi:application --bind 0.0.0.0:8000 --workers "$WORKERS" $options ;;
    *) echo "error: SERVER is uwsgi or gunicorn; got $SERVER" >&2; exit 64 ;;
esac
