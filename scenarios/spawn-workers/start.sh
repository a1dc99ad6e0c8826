#!/bin/sh
# Starts the server as START says. main.py is the document's, changed only where a factor differs from its value there.
set -eu
one_of() {
    value=$1 name=$2
    shift 2
    for known in "$@"; do
        if [ "$value" = "$known" ]; then return 0; fi
    done
    echo "error: $name is one of $*; got $value" >&2
    exit 64
}
one_of "$START" START python command-line launcher gunicorn gunicorn-preload
one_of "$RELOAD" RELOAD False True
one_of "$ENDPOINT" ENDPOINT sync async
one_of "$START_METHOD" START_METHOD default fork spawn forkserver
one_of "$MARK" MARK off on
one_of "$IMPORT_AGAIN" IMPORT_AGAIN off on
# lab only, from here
one_of "$WITNESS" WITNESS on off
# lab only, to here

mkdir -p "$HOME/app"
cd "$HOME/app"
sed -e "s/workers=3/workers=$WORKERS/" -e "s/reload=False/reload=$RELOAD/" -e "s/time\.sleep(10)/time.sleep($SLEEP)/" \
    "$APP/main.py" > main.py
sed -e "s/workers=3/workers=$WORKERS/" -e "s/reload=False/reload=$RELOAD/" "$APP/launcher.py" > launcher.py
if [ "$ENDPOINT" = async ]; then
    sed -i -e 's/^import time$/import asyncio/' -e 's/^def home/async def home/' \
        -e 's/time\.sleep(/await asyncio.sleep(/' main.py
fi
if [ "$START_METHOD" != default ]; then
    sed -i "s/^    uvicorn\.run/    import multiprocessing\n    multiprocessing.set_start_method(\"$START_METHOD\")\n&/" \
        main.py launcher.py
fi
if [ "$MARK" = on ]; then
    # In the parent alone, after the application was imported there and before the children start.
    sed -i 's/^    uvicorn\.run/    g_var = 1000\n&/' main.py
    sed -i 's/^    uvicorn\.run/    import main\n    main.g_var = 1000\n&/' launcher.py
fi
if [ "$IMPORT_AGAIN" = on ]; then
    sed -i 's/^    global g_var$/&\n    import importlib, main\n    importlib.reload(main)/' main.py
fi
# lab only, from here
if [ "$WITNESS" = on ]; then
    PYTHONPATH="$APP/witness"
    export PYTHONPATH
fi
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
        if [ "$MARK" = on ]; then hosted --preload --config "$APP/gunicorn_mark.py"; fi
        hosted --preload ;;
esac
