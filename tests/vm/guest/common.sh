# Sourced by the guest's scripts.
export DOCKER_HOST=unix:///run/berth.sock BERTH_HOST=unix:///run/berth.sock
start_daemon() {
  rm -f /run/berth.sock
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
  checked=$1
  shift
  if "$@" >/tmp/out 2>&1; then
    echo "VM-RESULT ok $checked"
  else
    sed 's/^/    /' /tmp/out
    echo "VM-RESULT failed $checked"
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
# retry COMMAND…: until it succeeds, for some seconds.
retry() {
  tries=0
  until "$@" >/tmp/tried 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 50 ] || { cat /tmp/tried; return 1; }
    sleep 0.1
  done
}
