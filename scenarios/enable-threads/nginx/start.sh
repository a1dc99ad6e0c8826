#!/bin/sh
# Starts nginx. uWSGI with --socket speaks the uwsgi protocol; every other server speaks HTTP.
set -eu
pass="proxy_pass http://enable-threads-app:8000;"
[ "$SERVER $FRONT" = "uwsgi socket" ] && pass="uwsgi_pass enable-threads-app:8000;"
sed "s|PASS\$|$pass|" /srv/nginx.conf > /tmp/nginx.conf
exec nginx -c /tmp/nginx.conf
