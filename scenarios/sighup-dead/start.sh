#!/bin/sh
# Starts uWSGI with what TRIGGER needs: the way by which it is asked to reload. DAEMON and APPS are options of their own.
set -eu
set -- --master --processes 2 --http-socket 0.0.0.0:18080 --wsgi-file app.py --callable app
case "$TRIGGER" in
    pidfile) set -- "$@" --pidfile /tmp/uwsgi.pid ;;
    touch) : > /tmp/reload; set -- "$@" --touch-reload /tmp/reload ;;
    autoreload) set -- "$@" --py-autoreload 1 --enable-threads ;;
    fifo | chain) set -- "$@" --master-fifo /tmp/fifo ;;
esac
[ "$DAEMON" = none ] || set -- "$@" --attach-daemon "sleep 1000000"
[ "$APPS" = forked ] || set -- "$@" "--$APPS"
exec uwsgi "$@"
