#!/bin/sh
# Fills a disk with images, in a container: reads them as `docker save` writes them, and writes the disk as a tar.
# $1: the name of the disk in the tar; $2: its size in bytes. Standard output is the tar, so all else goes elsewhere.
set -e
fail() { tail -n 3 "$1" >&2; exit 1; }
containerd >/tmp/containerd.log 2>&1 &
containerd=$!
while ! [ -S /run/containerd/containerd.sock ]; do
  kill -0 $containerd 2>/dev/null || fail /tmp/containerd.log
  sleep 0.05
done
dockerd --data-root /filled --containerd /run/containerd/containerd.sock --storage-driver overlay2 \
  --iptables=false --bridge=none --exec-opt native.cgroupdriver=cgroupfs >/tmp/dockerd.log 2>&1 &
dockerd=$!
while ! grep -q "API listen" /tmp/dockerd.log; do
  kill -0 $dockerd 2>/dev/null || fail /tmp/dockerd.log
  sleep 0.05
done
docker load -q >/tmp/load.log 2>&1 || fail /tmp/load.log
kill $dockerd
wait $dockerd || true
kill $containerd
wait $containerd || true
# The engine of the machine has networks of its own.
rm -rf /filled/network /filled/tmp /filled/runtimes
truncate -s "$2" "/tmp/$1"
mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=1,nodiscard -m 0 -d /filled "/tmp/$1" >/tmp/mke2fs.log 2>&1 ||
  fail /tmp/mke2fs.log
tar -C /tmp -cSf - "$1"
