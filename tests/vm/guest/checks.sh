# Berth on a host that has cgroup v2 only, and a kernel without overlayfs' lowerdir+.
. /guest/common.sh
id_of() { berth inspect -f '{{.Id}}' "$1"; }
cg() { cat "/sys/fs/cgroup/berth/$(id_of "$1")/$2"; }

check "daemon starts" start_daemon
check "import an image" berth import /guest/busybox.tar busybox:latest
check "info says cgroup v2" says 2 berth info --format '{{.CgroupVersion}}'
check "run prints and exits 7" sh -c 'out=$(berth run --rm --network none busybox sh -c "echo hi; exit 7"); [ $? = 7 ] && [ "$out" = hi ]'

berth run -d --name limits --network none -m 64m --cpus 0.5 --pids-limit 20 busybox sleep 1000 >/tmp/out 2>&1 || cat /tmp/out
check "memory.max" says 67108864 cg limits memory.max
check "cpu.max" says "50000 100000" cg limits cpu.max
check "pids.max" says 20 cg limits pids.max
check "pause freezes" sh -c 'berth pause limits && [ "$(berth inspect -f "{{.State.Status}}" limits)" = paused ]'
check "cgroup.freeze is set" says 1 cg limits cgroup.freeze
check "unpause" berth unpause limits
check "update memory" sh -c 'berth update -m 128m --memory-swap 256m limits'
check "memory.max after update" says 134217728 cg limits memory.max
check "stop ends it" sh -c 'berth stop -t 1 limits && [ "$(berth inspect -f "{{.State.Running}}" limits)" = false ]'

check "device program refuses" sh -c '! berth run --rm --network none --cap-add MKNOD busybox sh -c "mknod /tmp/d b 254 0 && cat /tmp/d"'
check "device program allows null" berth run --rm --network none busybox sh -c 'echo x > /dev/null && head -c 4 /dev/zero'
check "privileged may open any device" berth run --rm --network none --privileged busybox sh -c 'mknod /tmp/d b 254 0 && head -c 4 /tmp/d'
check "out of memory is told" sh -c 'berth run --name oom --network none -m 16m --memory-swap 16m busybox sh -c "head -c 64m /dev/zero | tail" ; berth inspect -f "{{.State.OOMKilled}}" oom | grep -q true'

check "bridge network" sh -c 'berth run --rm busybox ip -o -4 addr show eth0 | grep -q inet'
berth run -d --name web -p 8080:80 busybox sh -c 'mkdir /www; echo page > /www/index.html; httpd -f -p 80 -h /www' >/tmp/out 2>&1 || cat /tmp/out
sleep 1
check "published port through 127.0.0.1" says page wget -q -O - http://127.0.0.1:8080/

pid=$(berth inspect -f '{{.State.Pid}}' web)
kill -9 "$(cat /run/berth.pid)"
check "the server serves without the daemon" says page wget -q -O - http://127.0.0.1:8080/
rm -f /run/berth.sock
check "the next daemon starts" start_daemon
check "and manages the same process" says "$pid" berth inspect -f '{{.State.Pid}}' web
check "exec in it" says 2 sh -c 'berth exec web echo 2'
check "remove all" sh -c 'berth rm -f $(berth ps -aq)'
sleep 1
check "no cgroup is left" sh -c '[ -z "$(find /sys/fs/cgroup/berth -mindepth 1 -type d 2>/dev/null)" ]'
kill "$(cat /run/berth.pid)"
sleep 1
