#!/bin/sh
# Points the given h2o.conf at the address the application server listens on, and starts h2o.
# With the address that is in the file already nothing changes.
set -eu
case "$BIND" in
    unix:*) upstream="[$BIND]" ;;
    *) upstream="$BIND" ;;
esac
sed "s|\(proxy.reverse.url: http://\)[^/]*\[unix:[^]]*\]/|\1$upstream/|" /etc/h2o/reprolab.conf > h2o.conf
exec h2o -c h2o.conf
