#!/bin/sh
# Starts nginx with the scenario's file; CONNECTIONS in it becomes the number that the stack names.
set -eu
sed "s/CONNECTIONS/$CONNECTIONS/" /etc/nginx/reprolab.conf > /tmp/nginx.conf
exec nginx -c /tmp/nginx.conf
