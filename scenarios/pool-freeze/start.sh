#!/bin/sh
# Starts the server that SERVER names, with the document's code behind it.
set -eu

one_of() {
    value=$1; name=$2; shift 2
    for known; do [ "$value" = "$known" ] && return; done
    echo "error: $name is one of $*; got $value" >&2
    exit 64
}

one_of "$SERVER" SERVER gunicorn runserver runserver-noreload script
one_of "$TASK" TASK http sleep compute nothing
one_of "$OUTCOME" OUTCOME raise return-exception return-traceback return-text none
one_of "$HANDLER" HANDLER as-is default noting
python -c 'import os, runners; os.environ["RUNNER"] in runners.RUNNERS or exit("error: RUNNER is one of " + " ".join(runners.RUNNERS) + "; got " + os.environ["RUNNER"])'
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
esac
