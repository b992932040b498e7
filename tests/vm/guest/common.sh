# Sourced by the guest's scripts.
export DOCKER_HOST=unix:///run/berth.sock BERTH_HOST=unix:///run/berth.sock
start_daemon() {
  berthd --data-root /var/lib/berth --exec-root /run/berth -H unix:///run/berth.sock --pidfile /run/berth.pid \
    >/tmp/berthd.log 2>&1 &
  i=0
  while [ $i -lt 100 ]; do
    berth version >/dev/null 2>&1 && return 0
    sleep 0.1
    i=$((i + 1))
  done
  cat /tmp/berthd.log
  return 1
}
# check NAME COMMAND…: the command's status is the verdict.
check() {
  name=$1
  shift
  if "$@" >/tmp/out 2>&1; then
    echo "VM-RESULT ok $name"
  else
    sed 's/^/    /' /tmp/out
    echo "VM-RESULT failed $name"
  fi
}
# says WANTED COMMAND…: the command prints exactly that.
says() {
  wanted=$1
  shift
  got=$("$@" 2>&1)
  [ "$got" = "$wanted" ] || {
    echo "wanted '$wanted', got '$got'"
    return 1
  }
}
