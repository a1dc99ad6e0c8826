#!/bin/sh
# Starts the server as START says. settings.py reads the settings of the application.
set -eu
# Stops here, with a message, if a setting has an unknown value.
python3 -c 'import settings'
unknown() {
    echo "error: $1 has no value $2" >&2
    exit 64
}
# lab only, from here
case "$WITNESS" in
    on)
        PYTHONPATH="$PWD/witness"
        export PYTHONPATH ;;
    off) ;;
    *) unknown WITNESS "$WITNESS" ;;
esac
# lab only, to here
hosted() {
    exec gunicorn main:app --worker-class uvicorn_worker.UvicornWorker --workers "$WORKERS" --bind 0.0.0.0:8000 "$@"
}
case "$START" in
    python) exec python3 main.py ;;
    command-line)
        set -- --workers "$WORKERS"
        if [ "$RELOAD" = True ]; then set -- --reload; fi
        exec uvicorn main:app --host 0.0.0.0 --port 8000 "$@" ;;
    launcher) exec python3 launcher.py ;;
    gunicorn) hosted ;;
    gunicorn-preload)
        if [ "$MARK" = on ]; then hosted --preload --config gunicorn_mark.py; fi
        hosted --preload ;;
    *) unknown START "$START" ;;
esac
