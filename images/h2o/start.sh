#!/bin/sh
# Starts h2o with the scenario's configuration. UPSTREAM is replaced by the server's address in h2o's notation.
set -eu
case "$BIND" in
    unix:*) upstream="[$BIND]" ;;
    *) upstream=$BIND ;;
esac
sed "s|UPSTREAM|$upstream|" /etc/h2o/scenario.conf > h2o.conf
exec h2o -c h2o.conf
