# Checkpoint and restore with CRIU, on a host whose control groups are $CGROUPS.
. /guest/common.sh
export PATH=$PATH:/usr/sbin
here="$CGROUPS checkpoint:"

# Counts in memory, and says so; ends with 9 when it is told.
cat >/tmp/count.sh <<'Y'
i=0
while :; do
  i=$((i + 1))
  echo "n $i"
  [ -e /stop ] && exit 9
  sleep 0.2
done
Y
counter() { berth run -d -v /tmp/count.sh:/count.sh "$@" busybox sh /count.sh >/dev/null; }
lines() { berth logs "$1" | wc -l; }
# As many lines as it has counted to, none twice.
in_order() { berth logs "$1" | tr -d '\r' | awk '$2 != NR { print "line " NR " is " $0; exit 1 }'; }
# grows CONTAINER: it counts on.
longer() { [ "$(lines "$1")" -gt "$2" ]; }
grows() { before=$(lines "$1"); retry longer "$1" $((before + 2)); }
folder_of() { echo "/var/lib/berth/containers/$(id_of "$1")/checkpoints"; }

check "$here daemon starts" start_daemon --experimental
check "$here import an image" berth import /guest/busybox.tar busybox:latest
check "$here the machine can" sh -c 'criu check'

# There and back.
counter --name one -i -p 8080:80 -m 64m --pids-limit 40
quietly grows one
check "$here exec before" says 1 berth exec one echo 1
address=$(berth inspect -f '{{.NetworkSettings.IPAddress}}' one)
check "$here create" says first berth checkpoint create one first
check "$here the container has ended" says "exited 137" berth inspect -f '{{.State.Status}} {{.State.ExitCode}}' one
check "$here it is listed" says "CHECKPOINT NAME first" sh -c 'echo $(berth checkpoint ls one)'
check "$here its name is taken" sh -c '! berth checkpoint create one first && berth checkpoint ls one | grep -q first'
counter --name taker # of the next address
at=$(lines one)
check "$here start from it" berth start --checkpoint first one
check "$here it counts on" grows one
check "$here without a gap" in_order one
check "$here at the same address" says "$address" berth inspect -f '{{.NetworkSettings.IPAddress}}' one
check "$here its memory limit" says 67108864 cg one memory.max memory/memory.limit_in_bytes
check "$here its limit of processes" says 40 cg one pids.max pids/pids.max
check "$here exec after" says 2 berth exec one echo 2
check "$here masked files are still masked" says "" berth exec one cat /proc/keys
check "$here sysctls are read-only" sh -c '! berth exec one sh -c "echo 1 >/proc/sys/kernel/sysrq"'
berth exec one touch /stop
check "$here the exit code is the program's" says 9 berth wait one
check "$here start anew" berth start one
quietly retry says exited field one Status # it finds /stop and ends
check "$here a second start from it" berth start --checkpoint first one
check "$here ends as well" says 9 berth wait one
check "$here which went on from the checkpoint" says "n $((at + 1))" sh -c "berth logs one | tail -n 1"

# Running on.
counter --name on --network none
quietly grows on
pid=$(field on Pid)
check "$here create, leaving it running" says live berth checkpoint create --leave-running on live
check "$here it runs" says "$pid running" berth inspect -f '{{.State.Pid}} {{.State.Status}}' on
check "$here and counts on" grows on
check "$here and has missed nothing" in_order on
check "$here exec in it" says 3 berth exec on echo 3
check "$here restart policies let it be" sh -c 'berth update --restart always on && berth checkpoint create on ended &&
  sleep 1 && [ "$(berth inspect -f "{{.State.Status}}" on)" = exited ]'
check "$here both are listed" says "CHECKPOINT NAME ended live" sh -c 'echo $(berth checkpoint ls on)'
check "$here remove one" berth checkpoint rm on live
check "$here it is gone" sh -c '! berth checkpoint rm on live && ! berth start --checkpoint live on'

# Another folder, another container.
mkdir /var/elsewhere
check "$here create elsewhere" sh -c 'berth start on && sleep 1 &&
  berth checkpoint create --checkpoint-dir /var/elsewhere on moved && [ -d /var/elsewhere/moved ]'
from=$(berth logs on | tail -n 1)
berth create --name clone --network none -v /tmp/count.sh:/count.sh busybox sh /count.sh >/dev/null
check "$here another container goes on from it" berth start --checkpoint moved --checkpoint-dir /var/elsewhere clone
check "$here where the first one was" sh -c "sleep 1; [ \"\$(berth logs clone | head -n 1)\" = \"n $((${from#n } + 1))\" ]"
check "$here in groups of its own" sh -c "[ -n \"\$(grep -r . /sys/fs/cgroup/*/berth/$(id_of clone)/cgroup.procs /sys/fs/cgroup/berth/$(id_of clone)/cgroup.procs 2>/dev/null)\" ]"
check "$here exec in the clone" says 4 berth exec clone echo 4
check "$here a container unlike it is refused" sh -c 'berth create -t --name unlike --network none busybox sh >/dev/null &&
  berth start --checkpoint moved --checkpoint-dir /var/elsewhere unlike 2>&1 | grep -q "about a terminal" &&
  [ "$(berth inspect -f "{{.State.Status}}" unlike)" = created ]'
check "$here remove it there" sh -c 'berth checkpoint rm --checkpoint-dir /var/elsewhere on moved && [ ! -e /var/elsewhere/moved ]'

# All that a container can have.
check "$here a well furnished one" sh -c 'berth run -d --name rich --init --user 65534 --read-only --tmpfs /scratch -v vol:/data \
  --ulimit nofile=333 --hostname rich --shm-size 8m -p 8081:8000 --sysctl net.ipv4.ip_default_ttl=33 busybox \
  sh -c "echo kept >/scratch/file; httpd -f -p 8000 -h /scratch" >/dev/null'
page() { wget -q -O - "http://$1/file"; }
quietly retry says kept page 127.0.0.1:8081
check "$here is saved" says rich berth checkpoint create rich rich
check "$here and restored" berth start --checkpoint rich rich
check "$here with its tmpfs, user, and port" retry says kept page 127.0.0.1:8081
check "$here with its own init" says "/sbin/docker-init" sh -c 'berth exec rich cat /proc/1/cmdline | tr "\0" " " | cut -d" " -f1'
check "$here with its limits" says 333 sh -c 'berth exec rich sed -n "s/^Max open files *\([0-9]*\).*/\1/p" /proc/1/limits'
check "$here with its sysctls" says 33 berth exec rich cat /proc/sys/net/ipv4/ip_default_ttl
check "$here without new privileges" sh -c 'berth exec rich grep -q "^Seccomp:.2" /proc/1/status && berth exec rich grep -q "^CapEff:.0*$" /proc/1/status'
check "$here its root can't be written" sh -c '! berth exec -u 0 rich touch /x'

# A terminal.
counter --name tty -t --network none
quietly grows tty
check "$here of a terminal" says tty berth checkpoint create tty tty
check "$here start on a new one" berth start --checkpoint tty tty
check "$here it counts on there" grows tty
check "$here in order" in_order tty
check "$here it can be resized" sh -c 'berth exec tty stty -F /dev/console size'

# A connection to the outside lives on.
sleep 1000 | nc -l -p 9000 >/tmp/heard & # at the end of its input it would hang up
hears() { [ "$(wc -l </tmp/heard)" -gt "$1" ]; }
berth run -d --name talk busybox sh -c 'i=0; while :; do i=$((i + 1)); echo "n $i"; sleep 0.2; done |
  nc $(ip route | sed -n "s/default via \([0-9.]*\).*/\1/p") 9000' >/dev/null
quietly retry hears 2
check "$here of a connection" says talk berth checkpoint create talk talk
heard=$(wc -l </tmp/heard)
check "$here restore it" berth start --checkpoint talk talk
check "$here the peer hears more" retry hears $((heard + 2))
check "$here nothing was lost" awk '$2 != NR { print "line " NR " is " $0; exit 1 }' /tmp/heard
quietly berth rm -f talk

# The daemon dies while a checkpoint is made: it is finished without it.
berth run -d --name big --network none -v /tmp/count.sh:/count.sh busybox sh -c \
  'head -c 60m /dev/zero | tr "\0" x >/dev/shm/memory; exec sh /count.sh' >/dev/null
patiently longer big 1
berth checkpoint create big big >/dev/null 2>&1 &
patiently ls "$(folder_of big)/.berth-partial-big" >/dev/null
kill -9 "$(cat /run/berth.pid)"
check "$here daemon after a kill" start_daemon --experimental
check "$here the checkpoint is finished" patiently says "CHECKPOINT NAME big" sh -c 'echo $(berth checkpoint ls big)'
check "$here the container has ended then" patiently says exited field big Status
check "$here and goes on from it" berth start --checkpoint big big
check "$here with its memory" says 62914560 berth exec big stat -c %s /dev/shm/memory
check "$here and output" grows big

# The monitor dies while a checkpoint is made: neither is there afterwards.
berth checkpoint create big gone >/tmp/told 2>&1 &
client=$!
patiently ls "$(folder_of big)/.berth-partial-gone" >/dev/null
kill -9 "$(cat "/run/berth/containers/$(id_of big)/shim.pid")"
wait $client
check "$here the client is told of the monitor's end" grep -q "not running any more" /tmp/told
check "$here there is no such checkpoint" says "CHECKPOINT NAME big" sh -c 'echo $(berth checkpoint ls big)'
no_partial() { [ -z "$(ls -d "$(folder_of big)"/.berth-partial-* 2>/dev/null)" ]; }
check "$here nor a half of one" patiently no_partial
check "$here the container is over" says "exited 137" berth inspect -f '{{.State.Status}} {{.State.ExitCode}}' big
check "$here its name is free" sh -c 'berth start --checkpoint big big && berth checkpoint create big gone'

# Damage.
quietly berth checkpoint create tty bad
check "$here damaged images" sh -c ": >$(folder_of tty)/bad/pstree.img"
check "$here are refused" sh -c 'berth start --checkpoint bad tty 2>&1 | grep -q "OCI runtime restore failed: criu failed: type RESTORE"'
check "$here which the state shows" sh -c '[ "$(berth inspect -f "{{.State.Status}}" tty)" = exited ] &&
  berth inspect -f "{{.State.Error}}" tty | grep -q "restore failed"'
check "$here and harms nothing" sh -c 'berth start tty && berth exec tty true'

check "$here remove all" sh -c 'berth rm -f $(berth ps -aq)'
no_images() { [ -z "$(find /var/lib/berth/containers -name "*.img")" ]; }
check "$here no checkpoint is left" patiently no_images
check "$here no group is left" retry no_group
check "$here no link is left" retry no_link
check "$here no process is left" sh -c '! pidof berth-shim berth-init criu httpd'
no_folders() { [ -z "$(ls -d /tmp/.criu* /run/berth/containers/* 2>/dev/null)" ]; }
check "$here no folder is left" patiently no_folders
kill "$(cat /run/berth.pid)"
check "$here SIGTERM ends the daemon" patiently no_daemon
