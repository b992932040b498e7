# Restart policies across reboots: boot 1 ends with containers running, boot 2 with a daemon that stops them on its way out.
. /guest/common.sh
boot=$(sed 's/.*berth.seed=\([0-9]*\).*/\1/' /proc/cmdline)
here="boot $boot:"
polite='trap "exit 3" TERM; while :; do sleep 0.1; done'
of() { berth run -d --name "$1" --network none --restart "$2" busybox sh -c "$polite" >/dev/null; }
is() { retry says "$2" berth inspect -f '{{.State.Status}} {{.State.ExitCode}}' "$1"; }

# What the policies say about containers that ran when the machine went down; $1: the state of those that stay down.
policies() {
  check "$here always comes back" is always "running 0"
  check "$here so does unless-stopped" is unless "running 0"
  check "$here always comes back even if it was stopped" is always-stopped "running 0"
  check "$here unless-stopped does not" is unless-stopped "exited 3"
  check "$here none stays down" is none "$1"
  check "$here on-failure comes back, as it has ended with a failure" is failing "running 0"
  check "$here they can be used" says up berth exec always echo up
}

case $boot in
  1)
    check "$here daemon starts" start_daemon
    quietly berth import /guest/busybox.tar busybox:latest
    of none no
    of always always
    of unless unless-stopped
    of unless-stopped unless-stopped
    of always-stopped always
    of failing on-failure
    check "$here two are stopped" berth stop unless-stopped always-stopped
    ;;
  2)
    check "$here daemon starts" start_daemon --live-restore=false
    policies "exited 255"
    quietly berth stop always-stopped
    quietly berth start none failing
    kill "$(cat /run/berth.pid)"
    over() { ! pidof berthd; }
    check "$here the daemon ends" retry over
    check "$here and its containers before it" sh -c '! pidof berth-shim'
    ;;
  3)
    check "$here daemon starts" start_daemon
    policies "exited 3"
    check "$here remove all" sh -c 'berth rm -f $(berth ps -aq)'
    ;;
esac
