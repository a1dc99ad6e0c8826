#!/bin/sh
# Starts h2o with the given h2o.conf and two changes that the measurement needs; the file itself stays as
# its author wrote it.
#  - The address of the application server follows BIND; with the address that is in the file already
#    nothing changes.
#  - The access log goes to a file instead of the terminal, and two fields are added at each line's end:
#    when the request came (microseconds since the epoch) and how long it took (seconds). The engine's
#    timestamps would be late by up to a second under load, and its logging would cost a fifth of the
#    proxy's throughput.
set -eu
case "$BIND" in
    unix:*) upstream="[$BIND]" ;;
    *) upstream="$BIND" ;;
esac
format='%h %l %u %t \\"%r\\" %s %b \\"%{Referer}i\\" \\"%{User-agent}i\\" %{usec}t %{duration}x'
sed -e "s|\(proxy.reverse.url: http://\)[^/]*\[unix:[^]]*\]/|\1$upstream/|" \
    -e "s|^\( *\)access-log: .*|\1access-log: {path: $ACCESS_LOG, format: \"$format\"}|" \
    /etc/h2o/documented.conf > h2o.conf
exec h2o -c h2o.conf
