#!/bin/sh
# Starts the server that SERVER names. It runs the five tasks.
set -eu
# Stops here, with a message, if a factor of the application has an unknown value.
python -c 'import handler, runners'
if [ "$SERVER $HANDLER" = "runserver noting" ] || [ "$SERVER $HANDLER" = "runserver default" ]; then
    echo "error: runserver sets its own SIGTERM handler after ours; use SERVER=runserver-noreload" >&2
    exit 64
fi
case "$SERVER" in
    gunicorn)
        exec gunicorn lab.wsgi:application --bind 0.0.0.0:18080 --workers "$WORKERS" \
            --worker-class "$WORKER_CLASS" --timeout "$TIMEOUT" ;;
    runserver) exec python manage.py runserver 0.0.0.0:18080 ;;
    runserver-noreload) exec python manage.py runserver --noreload 0.0.0.0:18080 ;;
    script) exec python door.py ;;
    *)
        echo "error: SERVER has no value $SERVER" >&2
        exit 64 ;;
esac
