#!/bin/sh
# No worker: waits until it may end, says whose child it is, and ends with the status in STATUS.
set -eu
[ "${1:-}" = now ] || read -r _ < /tmp/go
echo "child $$ of $(cut -d ' ' -f 4 "/proc/$$/stat") ends with ${STATUS}"
exit "${STATUS}"
