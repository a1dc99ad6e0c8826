#!/bin/sh
# Starts the server that SERVER names. FLAGS has options for its command line, or is `none`.
set -eu
# Stops here, with a message, if a factor of the application has an unknown value.
python -c 'import lab.settings, lab.views'
options=$FLAGS
[ "$options" = none ] && options=
case "$SERVER" in
    uwsgi)
        # $options is not quoted, because each option must become a word. uWSGI itself refuses an unknown FRONT.
        # shellcheck disable=SC2086
        exec uwsgi "--$FRONT" 0.0.0.0:8000 --module lab.wsgi:application $options ;;
    gunicorn)
        # shellcheck disable=SC2086
        exec gunicorn lab.wsgi:application --bind 0.0.0.0:8000 --workers "$WORKERS" $options ;;
    *)
        echo "error: SERVER has no value $SERVER" >&2
        exit 64 ;;
esac
