#!/bin/sh
# Starts the server that SERVER names. FLAGS are options as they stand on the command line, or none.
set -eu
# Ends here, and says why, where one of the application's factors has an unknown value.
python -c 'import lab.settings, lab.views'
options=$FLAGS
[ "$options" = none ] && options=
case "$SERVER" in
    uwsgi)
        # Several options are several words. uWSGI itself refuses a FRONT that it does not know.
        # shellcheck disable=SC2086
        exec uwsgi "--$FRONT" 0.0.0.0:8000 --module lab.wsgi:application $options ;;
    gunicorn)
        # shellcheck disable=SC2086
        exec gunicorn lab.wsgi:application --bind 0.0.0.0:8000 --workers "$WORKERS" $options ;;
    *)
        echo "error: SERVER has no value $SERVER" >&2
        exit 64 ;;
esac
