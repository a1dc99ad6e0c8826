#!/bin/sh
# Sends the documented load through the proxy to the server, and checks whether the server's socket file still exists.
# It runs in the network of the proxy and in the process namespace of the server, and has the server's /tmp.
# Exit status: 10 if the file is gone, 11 if it exists, any other if the drive cannot tell.
set -eu
url=http://127.0.0.1:18080/
socket=${BIND#unix:}
work=$(mktemp -d /var/tmp/drive.XXXXXX)
trap 'rm -rf "$work"' EXIT

status() { curl --silent --output /dev/null --max-time 5 --write-out '%{http_code}' "$url" || true; }
# Prints the pids of the master and its workers.
servers() {
    for one in /proc/[0-9]*; do
        if tr '\0' ' ' < "$one/cmdline" | grep -q ' web:app '; then echo "${one#/proc/}"; fi
    done 2>/dev/null | sort
}
socket_there() { [ "$socket" != "$BIND" ] && [ -S "$socket" ]; }

tries=0
until [ "$(status)" = 200 ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ]; then echo "could not tell: $url is not answered (last status $(status))"; exit 12; fi
    sleep 0.2
done
before=no
if socket_there; then before=yes; fi
servers > "$work/servers.before"

wrk --threads 10 --connections 200 --duration 10s "$url" > "$work/load.txt" || { cat "$work/load.txt"; exit 12; }
if grep -q '^ *0 requests in' "$work/load.txt"; then echo 'could not tell: the load made no request'; exit 12; fi

after=no
if socket_there; then after=yes; fi
servers > "$work/servers.after"
if [ ! -s "$work/servers.after" ]; then echo 'could not tell: the server has ended'; exit 12; fi
# A connection from before the removal may still be open. h2o and gunicorn close it after 2 s without a request.
sleep 2.5
answers=$(for _ in 1 2 3; do sleep 0.2; printf '%s ' "$(status)"; done)
replaced=$(comm -13 "$work/servers.before" "$work/servers.after" | wc -l)
sed -n -e 's/^ *\([0-9]* requests in .*\),.*/load: \1/p' -e 's/^ *\(Non-2xx.*\)/load: \1/p' "$work/load.txt"
echo "server processes at the end: $(wc -l < "$work/servers.after"), of them new: $replaced"
echo "socket file $socket before the load: $before, after it: $after"
echo "three plain requests after the load: $answers"
if [ "$before $after" = 'yes no' ]; then exit 10; fi
if [ "$MAX_REQUESTS" != 0 ] && [ "$replaced" = 0 ]; then
    echo "could not tell: no worker was replaced, so none has reached max_requests"; exit 12
fi
exit 11
