#!/bin/sh
# Starts h2o with the scenario's file; UPSTREAM in it becomes the server's address, as h2o writes it.
set -eu
case "$BIND" in
    unix:*) upstream="[$BIND]" ;;
    *) upstream=$BIND ;;
esac
sed "s|UPSTREAM|$upstream|" /etc/h2o/scenario.conf > h2o.conf
exec h2o -c h2o.conf
