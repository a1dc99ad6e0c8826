#!/bin/bash
# Starts SERVER in the way that START names.
set -u
case "$SERVER" in
    gunicorn) command="gunicorn --bind 0.0.0.0:18080 --workers 2 --threads 4 $OPTIONS web:app" ;;
    uwsgi) command="uwsgi --http-socket 0.0.0.0:18080 --master --processes 2 --need-app --module web:app $OPTIONS" ;;
esac
# The words of a command line, without a shell between.
read -r -a words <<< "$command"
case "$START" in
    # As the document has it: the script waits for its child.
    child) "${words[@]}"; exit $? ;;
    exec) exec "${words[@]}" ;;
    trap)
        "${words[@]}" &
        trap 'kill -TERM $!' TERM
        # The trap ends the first wait; the second one is for the end of the server.
        wait $!
        wait $!
        ;;
    # What `CMD command` makes of it.
    shell-form) exec /bin/sh -c "$command" ;;
esac
