# Sourced by the guest's scripts.
export DOCKER_HOST=unix:///run/berth.sock BERTH_HOST=unix:///run/berth.sock
# start_daemon [FLAG…]
start_daemon() {
  rm -f /run/berth.sock
  berthd --data-root /var/lib/berth --exec-root /run/berth -H unix:///run/berth.sock --pidfile /run/berth.pid "$@" \
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
id_of() { berth inspect -f '{{.Id}}' "$1"; }
field() { berth inspect -f "{{.State.$2}}" "$1"; }
# cg CONTAINER V2_FILE V1_HIERARCHY/V1_FILE: what that limit's file says.
cg() {
  if [ $CGROUPS = v2 ]; then
    cat "/sys/fs/cgroup/berth/$(id_of "$1")/$2"
  else
    cat "/sys/fs/cgroup/${3%/*}/berth/$(id_of "$1")/${3##*/}"
  fi
}
quietly() { "$@" >/dev/null 2>&1; }
no_group() { [ -z "$(find /sys/fs/cgroup -path '*/berth/*' -type d)" ]; }
no_link() { ! ip link | grep -q ': bv'; }
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
# patiently COMMAND…: until it succeeds, however busy the machine is.
patiently() { n=0; until quietly "$@"; do n=$((n + 1)); [ $n -lt 600 ] || return 1; sleep 0.1; done; "$@"; }
no_daemon() { ! pidof berthd; }
