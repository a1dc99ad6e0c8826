#!/bin/sh
# Starts nginx with a configuration made from environment variables, or with the scenario's own. The variables are in
# docs/authoring.md, "images/nginx".
set -eu
# lab only, from here
own=/etc/nginx/reprolab.conf
if [ -e "$own" ]; then
    # CONNECTIONS is replaced by the value of that variable.
    sed "s/CONNECTIONS/$CONNECTIONS/" "$own" > /tmp/nginx.conf
    exec nginx -c /tmp/nginx.conf
fi
# lab only, to here

refuse() {
    echo "start-nginx: $1" >&2
    exit 64
}

UPSTREAM=${UPSTREAM:-} PASS=${PASS:-proxy} KEEPALIVE=${KEEPALIVE:-0} RESOLVER=${RESOLVER:-} PORT=${PORT:-18080}
[ -n "$UPSTREAM" ] || refuse "UPSTREAM is missing, HOST:PORT or unix:/PATH"
case $PASS in
    proxy) scheme=http:// ;;
    uwsgi) scheme='' ;;
    *) refuse "PASS is '$PASS', not proxy or uwsgi" ;;
esac
case $KEEPALIVE in
    *[!0-9]*) refuse "KEEPALIVE is '$KEEPALIVE', not a number of connections" ;;
esac
version=${HTTP_VERSION:-1.0}
[ "$KEEPALIVE" -eq 0 ] || version=${HTTP_VERSION:-1.1}
# nginx would take these without a word, and do something else.
if [ "$KEEPALIVE" -gt 0 ]; then
    [ "$PASS" = proxy ] || refuse "KEEPALIVE is for PASS=proxy: the uwsgi protocol keeps no connection"
    [ "$version" = 1.1 ] || refuse "KEEPALIVE needs HTTP_VERSION=1.1"
    [ -z "$RESOLVER" ] || refuse "KEEPALIVE and RESOLVER exclude each other: an upstream block resolves names once"
fi
case $RESOLVER:$UPSTREAM in
    ?*:unix:*) refuse "RESOLVER has nothing to resolve in $UPSTREAM" ;;
esac

names=:
# The directives for the lines NAME: VALUE of HEADERS. The uwsgi protocol has variables in place of headers.
set_headers() {
    while IFS= read -r line; do
        [ -n "$line" ] || continue
        case $line in
            [!:]*:*) ;;
            *) refuse "HEADERS has '$line', not NAME: VALUE" ;;
        esac
        name=${line%%:*}
        value=$(printf '%s' "${line#*:}" | sed 's/^ *//; s/[\\"]/\\&/g')
        names="$names$(printf '%s' "$name" | tr '[:upper:]' '[:lower:]'):"
        if [ "$PASS" = proxy ]; then
            echo "            proxy_set_header $name \"$value\";"
        else
            echo "            uwsgi_param HTTP_$(printf '%s' "$name" | tr '[:lower:]-' '[:upper:]_') \"$value\";"
        fi
    done
    [ "$PASS" = proxy ] || return 0
    # As clients name it: nginx's default is the name of the upstream. Of two lines for a header nginx sends both.
    case $names in *:host:*) ;; *) echo "            proxy_set_header Host \$http_host;" ;; esac
    case $names in *:connection:*) ;; *) [ "$version" = 1.0 ] || echo '            proxy_set_header Connection "";' ;; esac
}

{
    cat << END
daemon off;
pid /srv/proxy/nginx.pid;
worker_processes ${WORKERS:-1};
error_log stderr ${ERROR_LEVEL:-notice};
events { worker_connections ${CONNECTIONS:-1024}; }
http {
    # The log goes to a file. If it went to standard output, the engine would add timestamps up to a second late. The last
    # two fields are the moment when the response ended (seconds since the epoch) and its duration (seconds).
    log_format lab '\$remote_addr - \$remote_user [\$time_local] "\$request" \$status \$body_bytes_sent '
                   '"\$http_referer" "\$http_user_agent" \$msec \$request_time';
    access_log /srv/proxy/access.log lab;
    client_body_temp_path /srv/proxy/body;
    proxy_temp_path /srv/proxy/proxy;
    fastcgi_temp_path /srv/proxy/fastcgi;
    uwsgi_temp_path /srv/proxy/uwsgi;
    scgi_temp_path /srv/proxy/scgi;
END
    place=$UPSTREAM
    if [ "$KEEPALIVE" -gt 0 ]; then
        place=kept
        echo "    upstream kept { server $UPSTREAM; keepalive $KEEPALIVE; }"
    fi
    echo "    server {"
    echo "        listen $PORT backlog=511;"
    # Without IPv6 in the container's network there is nothing to listen on.
    ! grep -qs . /proc/net/if_inet6 || echo "        listen [::]:$PORT backlog=511;"
    echo "        location / {"
    if [ -n "$RESOLVER" ]; then
        # Only an address in a variable is resolved again.
        place="\$upstream"
        echo "            resolver $RESOLVER;"
        echo "            set \$upstream $UPSTREAM;"
    fi
    if [ "$PASS" = proxy ]; then
        echo "            proxy_http_version $version;"
    else
        echo "            include /etc/nginx/uwsgi_params;"
    fi
    echo "            ${PASS}_pass $scheme$place;"
    printf '%s\n' "${HEADERS:-}" | set_headers
    printf '            %s\n' "${DIRECTIVES:-}"
    echo "        }"
    echo "    }"
    echo "}"
} > /srv/proxy/nginx.conf
exec nginx -e stderr -c /srv/proxy/nginx.conf
