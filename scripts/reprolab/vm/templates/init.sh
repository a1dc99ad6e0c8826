#!/bin/busybox sh
# The first program of the machine: it joins the root file system, which is read-only, with a layer in memory.
b=/bin/busybox
fail() { echo "reprolab: failed: $1" >/dev/console; $b sleep 1; $b poweroff -f; }
$b mount -t devtmpfs devices /dev || fail "no /dev"
$b mount -t proc proc /proc
for module in /modules/*; do
  # Without any, the pattern stays as it is.
  [ -e "$module" ] && { $b insmod "$module" || fail "cannot load $module"; }
done
$b mount -t ext4 -o ro /dev/vda /lower || fail "no root file system"
$b mount -t tmpfs memory /memory
$b mkdir /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work root /root || fail "no overlay"
$b mkdir -p /root/usr/lib/modules /root/reprolab
$b mount -t ext4 -o ro /dev/vdb /root/usr/lib/modules || fail "no modules"
$b cp -r /reprolab/. /root/reprolab/
$b umount /proc
exec $b switch_root /root /reprolab/start
