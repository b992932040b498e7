#!/usr/bin/env bash
# From a fresh clone to a running container: installs what is needed, builds, starts a berthd of its own, makes two base
# images without a registry and runs a container. Can be run again at any time.
#   scripts/quickstart.sh            start, or bring up to date what runs already
#   scripts/quickstart.sh --stop     end the containers and the daemon; data stays
#   scripts/quickstart.sh --purge    the same, and delete the data
set -euo pipefail
cd "$(dirname "$0")/.."

run_dir=/run/berth-quickstart data_dir=/var/lib/berth-quickstart
socket=$run_dir/berth.sock pid_file=$run_dir/berthd.pid log=$data_dir/berthd.log
bin=$PWD/build/release/bin
export DOCKER_HOST=unix://$socket

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# The daemon's pid, if it runs. The pid file alone is no proof: the number may be another program's by now.
daemon_pid() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "berthd.*$data_dir" && echo "$pid"
}

end_daemon() {
  local pid=$1
  kill -TERM "$pid"
  for _ in $(seq 300); do
    [ -e "/proc/$pid" ] || return 0
    sleep 0.1
  done
  echo "berthd ($pid) has not ended within 30 s; its log is $log" >&2
  return 1
}

wait_until_ready() {
  for _ in $(seq 300); do
    "$bin/berth" version >/dev/null 2>&1 && return 0
    daemon_pid >/dev/null || sleep 0.2
    sleep 0.1
  done
  tail -n 20 "$log" >&2
  echo "berthd doesn't answer at $DOCKER_HOST" >&2
  return 1
}

stop() {
  local pid containers
  if pid=$(daemon_pid); then
    containers=$("$bin/berth" ps -q)
    # shellcheck disable=SC2086  # one word per container
    [ -z "$containers" ] || "$bin/berth" stop $containers >/dev/null
    end_daemon "$pid"
    echo "berthd ($pid) and its containers have ended."
  else
    echo "berthd does not run."
  fi
  rm -rf "$run_dir"
}

case "${1-}" in
  --stop)
    stop
    [ -d "$data_dir" ] && echo "Images, stopped containers and volumes remain in $data_dir; scripts/quickstart.sh --purge deletes them."
    exit 0 ;;
  --purge)
    if daemon_pid >/dev/null; then
      containers=$("$bin/berth" ps -aq)
      # shellcheck disable=SC2086
      [ -z "$containers" ] || "$bin/berth" rm -f $containers >/dev/null
    fi
    stop
    rm -rf "$data_dir"
    echo "Deleted $data_dir; nothing remains but the packages and build/."
    exit 0 ;;
  "") ;;
  *) echo "usage: scripts/quickstart.sh [--stop | --purge]" >&2; exit 2 ;;
esac

if [ "$(id -u)" -ne 0 ]; then
  echo "scripts/quickstart.sh must run as root: it installs packages and starts containers" >&2
  exit 1
fi

say "1. Packages"
scripts/deps.sh && echo "all there"

say "2. Build"
scripts/build.sh release berthd berth berth-shim berth-init berth-logger

say "3. Daemon"
mkdir -p "$run_dir" "$data_dir"
if pid=$(daemon_pid) && [ "/proc/$pid/exe" -ef "$bin/berthd" ]; then
  echo "runs already, pid $pid"
else
  # A daemon of an older build is replaced; its containers run on meanwhile.
  if pid=$(daemon_pid); then kill -KILL "$pid"; fi
  setsid "$bin/berthd" --data-root "$data_dir" --exec-root "$run_dir" --pidfile "$pid_file" -H "$DOCKER_HOST" \
    --bridge berth-qs0 >>"$log" 2>&1 </dev/null &
  wait_until_ready
  echo "started, pid $(cat "$pid_file"), socket $socket, log $log"
fi

say "4. Base images, from Debian packages"
for image in busybox debian:bookworm; do
  if "$bin/berth" image inspect "$image" >/dev/null 2>&1; then
    echo "$image is there"
  else
    "$bin/berth" image bootstrap "$image"
  fi
done

say "5. A container"
echo "\$ berth run --rm debian:bookworm sh -c '. /etc/os-release; echo \"Hello from \$PRETTY_NAME in container \$(hostname)\"'"
"$bin/berth" run --rm debian:bookworm sh -c '. /etc/os-release; echo "Hello from $PRETTY_NAME in container $(hostname)"'

cat <<TXT

Next, with the stock docker command or with $bin/berth:

    export DOCKER_HOST=$DOCKER_HOST
    docker run -it --rm debian:bookworm bash
    docker run -d --name web -p 8080:80 busybox sh -c 'mkdir /www; echo It works > /www/index.html; httpd -f -h /www'
    curl http://127.0.0.1:8080/
    docker ps; docker logs web; docker rm -f web

    scripts/quickstart.sh --stop     ends the daemon
    scripts/quickstart.sh --purge    and deletes its data
TXT
