# Berth on a host whose control groups are $CGROUPS (v2, v1 or hybrid), and a kernel without overlayfs' lowerdir+.
. /guest/common.sh
# pick V2 V1: the one for this machine.
pick() { if [ $CGROUPS = v2 ]; then echo "$1"; else echo "$2"; fi; }
here="$CGROUPS:"

check "$here daemon starts" start_daemon
check "$here import an image" berth import /guest/busybox.tar busybox:latest
check "$here info tells the version" says "$(pick 2 1)" berth info --format '{{.CgroupVersion}}'
check "$here run prints and exits 7" sh -c 'out=$(berth run --rm --network none busybox sh -c "echo hi; exit 7"); [ $? = 7 ] && [ "$out" = hi ]'

# Limits, and their change while the container runs.
check "$here run with limits" says "" sh -c 'berth run -d --init --name limits --network none -m 64m --memory-reservation 32m \
  --cpus 0.5 --cpu-shares 512 --cpuset-cpus 1 --pids-limit 20 --device-write-bps /dev/vda:1mb --device-read-iops /dev/vda:100 \
  busybox sleep 1000 >/dev/null'
check "$here memory" says 67108864 cg limits memory.max memory/memory.limit_in_bytes
check "$here reservation" says 33554432 cg limits memory.low memory/memory.soft_limit_in_bytes
check "$here swap" says "$(pick 67108864 134217728)" cg limits memory.swap.max memory/memory.memsw.limit_in_bytes
check "$here cpus" says "$(pick "50000 100000" 50000)" cg limits cpu.max cpu/cpu.cfs_quota_us
check "$here shares" says "$(pick 20 512)" cg limits cpu.weight cpu/cpu.shares
check "$here cpuset" says 1 cg limits cpuset.cpus cpuset/cpuset.cpus
check "$here pids" says 20 cg limits pids.max pids/pids.max
check "$here device rates" says "$(pick "254:0 rbps=max wbps=1048576 riops=100 wiops=max" "254:0 1048576")" \
  cg limits io.max blkio/blkio.throttle.write_bps_device
check "$here pids are counted" sh -c 'berth exec limits sh -c "i=0; while [ \$i -lt 40 ]; do sleep 2 & i=\$((i+1)); done" 2>&1 | grep -q "fork"'
check "$here exec is in the group" says 3 sh -c "berth exec -d limits sleep 100; sleep 2.5; $(
  if [ $CGROUPS = v2 ]; then echo "cat /sys/fs/cgroup/berth/$(id_of limits)/pids.current"
  else echo "cat /sys/fs/cgroup/pids/berth/$(id_of limits)/pids.current"; fi)"
check "$here pause" sh -c 'berth pause limits && [ "$(berth inspect -f "{{.State.Status}}" limits)" = paused ]'
check "$here frozen" says "$(pick 1 FROZEN)" cg limits cgroup.freeze freezer/freezer.state
check "$here unpause" says "fine" sh -c 'berth unpause limits >/dev/null && berth exec limits echo fine'
check "$here update" sh -c 'berth update -m 128m --memory-swap 256m --cpus 1.5 --cpu-shares 2048 --pids-limit 40 limits'
check "$here memory after update" says 134217728 cg limits memory.max memory/memory.limit_in_bytes
check "$here cpus after update" says "$(pick "150000 100000" 150000)" cg limits cpu.max cpu/cpu.cfs_quota_us
check "$here shares after update" says "$(pick 79 2048)" cg limits cpu.weight cpu/cpu.shares
check "$here pids after update" says 40 cg limits pids.max pids/pids.max
check "$here both memory limits lowered" sh -c 'berth update -m 32m --memory-swap 48m limits'
check "$here memory after lowering" says 33554432 cg limits memory.max memory/memory.limit_in_bytes
check "$here stop ends it" sh -c 'berth stop -t 1 limits && [ "$(berth inspect -f "{{.State.Running}}" limits)" = false ]'

# What a container sees of its groups.
if [ $CGROUPS = v2 ]; then
  check "$here own namespace" says "0::/" berth run --rm --network none busybox cat /proc/self/cgroup
  check "$here cgroup2 is mounted" sh -c 'berth run --rm --network none busybox grep -q " /sys/fs/cgroup ro,nosuid,nodev,noexec.* cgroup2 " /proc/self/mountinfo'
  check "$here own limit is seen inside" says 16777216 berth run --rm --network none -m 16m busybox cat /sys/fs/cgroup/memory.max
  check "$here the host's namespace" sh -c 'berth run --rm --network none --cgroupns host busybox grep -q "^0::/berth/" /proc/self/cgroup'
  check "$here privileged makes groups" berth run --rm --network none --privileged busybox mkdir /sys/fs/cgroup/x
else
  check "$here groups are mounted" says 67108864 berth run --rm --network none -m 64m busybox cat /sys/fs/cgroup/memory/memory.limit_in_bytes
  check "$here and read-only" sh -c '! berth run --rm --network none busybox mkdir /sys/fs/cgroup/memory/x'
fi
check "$here a group below another parent" says ok sh -c 'berth run --rm --network none --cgroup-parent /my/parent busybox echo ok'

check "$here an unknown device is refused" sh -c 'berth run --rm --network none --cap-add MKNOD busybox sh -c "mknod /tmp/d b 254 0 && cat /tmp/d" 2>&1 | grep -q "not permitted"'
check "$here null and zero are allowed" berth run --rm --network none busybox sh -c 'echo x > /dev/null && head -c 4 /dev/zero'
check "$here a device for reading" sh -c 'berth run --rm --network none --device /dev/vda:/dev/x:r busybox sh -c "head -c 9 /dev/x >/dev/null && echo y >/dev/x" 2>&1 | grep -q "not permitted"'
check "$here privileged may open any device" berth run --rm --network none --privileged busybox sh -c 'mknod /tmp/d b 254 0 && head -c 4 /tmp/d'

quietly berth run --name oom --network none -m 16m --memory-swap 16m busybox sh -c 'head -c 64m /dev/zero | tail'
check "$here out of memory is told" says true field oom OOMKilled
quietly berth run -d --name oom2 --network none -m 16m --memory-swap 16m busybox sleep 1000
check "$here an exec out of memory dies" sh -c 'berth exec oom2 sh -c "head -c 64m /dev/zero | tail"; [ $? = 137 ]'
check "$here which is told while the container runs" retry says "true running" berth inspect -f '{{.State.OOMKilled}} {{.State.Status}}' oom2

# The network. The first packet on a fresh bridge must not be lost: a repeated ARP request takes a second.
cat >/tmp/first.sh <<'X'
gateway=$(ip route | sed -n 's/default via \([0-9.]*\).*/\1/p')
ping -c 1 -W 1 "$gateway"
X
check "$here first packet on the bridge" berth run --rm -v /tmp/first.sh:/first.sh busybox timeout 0.8 sh /first.sh
check "$here first packet of the next" berth run --rm -v /tmp/first.sh:/first.sh busybox timeout 0.8 sh /first.sh
quietly berth run -d --name web -p 8080:80 busybox sh -c 'mkdir /www; echo page > /www/index.html; httpd -f -p 80 -h /www'
page() { wget -q -O - "http://$1/"; }
check "$here published port through 127.0.0.1" retry says page page 127.0.0.1:8080
check "$here published port through the bridge" says page page "$(berth inspect -f '{{.NetworkSettings.Gateway}}' web):8080"
check "$here published port from a container" says page berth run --rm busybox wget -q -O - \
  "http://$(berth inspect -f '{{.NetworkSettings.Gateway}}' web):8080/"

# The daemon dies; a paused container and a serving one stay as they are.
quietly berth run -d --name still --network none busybox sleep 1000
quietly berth pause still
pid=$(field web Pid)
kill -9 "$(cat /run/berth.pid)"
check "$here the server serves without the daemon" says page page 127.0.0.1:8080
check "$here the next daemon starts" start_daemon
check "$here and manages the same process" says "$pid" field web Pid
check "$here exec in it" says 2 berth exec web echo 2
check "$here the paused one is still paused" says paused field still Status
check "$here and goes on" says fine sh -c 'berth unpause still >/dev/null && berth exec still echo fine'
check "$here the new daemon changes limits" sh -c 'berth update --pids-limit 33 web'
check "$here as the kernel says" says 33 cg web pids.max pids/pids.max

# The daemon and the monitors die: the containers end with them or are ended, and nothing is left.
shims=$(pidof berth-shim)
kill -9 "$(cat /run/berth.pid)" $shims
check "$here daemon after the monitors' end" start_daemon
check "$here the state is true" sh -c '[ "$(berth inspect -f "{{.State.Status}}" web)" = exited ] && ! kill -0 '"$pid"
check "$here start again" sh -c 'berth start web && berth exec web true'

# Everything shared, as systemd makes it: what a container mounts on a shared bind is seen here, and nothing else of it.
mount --make-rshared /
mkdir -p /tmp/shared && mount -t tmpfs shared /tmp/shared && mkdir /tmp/shared/in
before=$(wc -l </proc/mounts)
check "$here a shared bind" says passed berth run --rm --network none --cap-add SYS_ADMIN --security-opt seccomp=unconfined \
  -v /tmp/shared:/x:rshared busybox sh -c 'mount -t tmpfs inner /x/in && echo passed'
check "$here passes its mount on, and only that" says $((before + 1)) sh -c 'wc -l </proc/mounts'
umount /tmp/shared/in
check "$here a slave bind" says passed berth run --rm --network none --cap-add SYS_ADMIN --security-opt seccomp=unconfined \
  -v /tmp/shared:/x:rslave busybox sh -c 'mount -t tmpfs inner /x/in && echo passed'
check "$here passes nothing on" says $before sh -c 'wc -l </proc/mounts'
umount /tmp/shared
mount --make-rprivate /

check "$here remove all" sh -c 'berth rm -f $(berth ps -aq)'
check "$here no group is left" retry no_group
check "$here no link is left" retry no_link
check "$here no process is left" sh -c '! pidof berth-shim berth-init sleep httpd'
kill "$(cat /run/berth.pid)"
check "$here SIGTERM ends the daemon" patiently no_daemon
