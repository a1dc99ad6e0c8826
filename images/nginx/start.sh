#!/bin/sh
# Starts nginx with the scenario's configuration. CONNECTIONS is replaced by the value of that variable.
set -eu
sed "s/CONNECTIONS/$CONNECTIONS/" /etc/nginx/reprolab.conf > /tmp/nginx.conf
exec nginx -c /tmp/nginx.conf
