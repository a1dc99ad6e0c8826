#!/bin/sh
# The machine's services: sshd for the way to the engine, containerd and dockerd. It stays as process 1.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
mark() { echo "reprolab: $1 at $(cut -d' ' -f1 /proc/uptime) s" >/dev/console; }
fail() { echo "reprolab: failed: $1" >/dev/console; sleep 1; echo o >/proc/sysrq-trigger; }

mount -t devtmpfs devices /dev
mount -t proc proc /proc
# Without it runc starts no container on Linux 5.10 up to 5.10.223.
ln -s /proc/self/fd /dev/fd
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev shm /dev/shm
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
hostname reprolab-vm
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0

# Only what tunnels to the engine need. The keys were made for this start.
mkdir -p /run/sshd /root/.ssh
chmod 700 /root/.ssh
cp /reprolab/authorized_keys /root/.ssh/
cp /reprolab/host_key /etc/ssh/host_key
chmod 600 /root/.ssh/authorized_keys /etc/ssh/host_key
/usr/sbin/sshd -h /etc/ssh/host_key -o PidFile=none -o UsePAM=no -o PasswordAuthentication=no || fail "sshd"
mark sshd

# Images and containers are on a disk that is empty at each start, or has the images already.
mkdir -p /var/lib/docker
mount -t ext4 /dev/vdc /var/lib/docker 2>/dev/null || {
  mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=1,nodiscard -m 0 /dev/vdc || fail "no disk for the engine"
  mount -t ext4 /dev/vdc /var/lib/docker || fail "no disk for the engine"
}

# What the engine would load one by one.
modprobe -qa overlay bridge br_netfilter veth nf_tables nft_compat nft_chain_nat xt_conntrack xt_MASQUERADE xt_addrtype &
# dockerd waits long for a containerd that it starts itself, where the machine is slow.
containerd --config /reprolab/containerd.toml >/var/log/containerd.log 2>&1 &
while ! [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done
dockerd --containerd /run/containerd/containerd.sock --storage-driver overlay2 \
  --exec-opt native.cgroupdriver=cgroupfs >/var/log/dockerd.log 2>&1 &
daemon=$!
while ! grep -q "API listen" /var/log/dockerd.log; do
  kill -0 $daemon 2>/dev/null || { tail -n 5 /var/log/dockerd.log >/dev/console; fail "dockerd"; }
  sleep 0.1
done
mark engine

# Images come on a disk; the second serial line says how long they are, and gets the answer.
stty -F /dev/ttyS1 raw -echo
while read -r length; do
  blockdev --flushbufs /dev/vdd
  if head -c "$length" /dev/vdd | docker load -q >/tmp/load.log 2>&1; then echo loaded; else
    echo "docker load failed: $(tail -n 1 /tmp/load.log)"
  fi
done </dev/ttyS1 >/dev/ttyS1 &
while :; do wait; sleep 1; done
