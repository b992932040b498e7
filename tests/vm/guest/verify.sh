# After a power cut: everything reported done is there, nothing is half done, and the daemon works.
. /guest/common.sh
check "after the cut: daemon starts" start_daemon
tr -d '\0' </dev/vdb >/tmp/expected

state_of() { berth inspect --type container -f '{{.State.Status}} {{.State.ExitCode}}' "$1" 2>/dev/null; }
# A log is no database: its last lines may be lost, as with Docker.
said() { lines=$(berth logs "$1") && { [ -z "$lines" ] || [ "$lines" = said ]; }; }
holds() {
  case $2 in
    created) [ "$(state_of "$1")" = "created 0" ] ;;
    exited) [ "$(state_of "$1")" = "exited 0" ] && said "$1" ;;
    killed) [ "$(state_of "$1")" = "exited 255" ] ;;
    stopped) [ "$(state_of "$1")" = "exited 137" ] ;;
    running) retry berth exec "$1" true && [ "$(state_of "$1")" = "running 0" ] ;;
    removed) [ -z "$(state_of "$1")" ] ;;
    image) berth image inspect "$1" >/dev/null ;;
    noimage) ! berth image inspect "$1" >/dev/null 2>&1 ;;
  esac
}
all_hold() {
  status=0
  while read -r name what; do
    [ -z "$name" ] && continue
    holds "$name" "$what" </dev/null || { echo "$name should be $what, is '$(state_of "$name")'"; status=1; }
  done </tmp/expected
  [ $status = 0 ] || cat /tmp/berthd.log
  return $status
}
# Whatever there is can be used: each container starts, or runs; each image's content is read in full.
all_start() {
  status=0
  for name in $(berth ps -a --filter status=created --filter status=exited --format '{{.Names}}' | head -n 12); do
    berth start "$name" >/dev/null || status=1
  done
  return $status
}
all_save() { berth save -o /tmp/all.tar $(berth images --format '{{.Repository}}:{{.Tag}}' | grep -v none | head -n 20); }
no_strays() {
  ids=" $(berth ps -aq --no-trunc | tr '\n' ' ')"
  status=0
  for folder in /var/lib/berth/containers/*; do
    id=${folder##*/}
    [ "$id" = '*' ] && continue
    case "$ids" in *" $id "*) ;; *) echo "stray folder $folder"; status=1 ;; esac
  done
  for folder in /var/lib/berth/overlay2/c-*; do
    id=${folder##*/c-}
    [ "$id" = '*' ] && continue
    case "$ids" in *" $id "*) ;; *) echo "stray layer $folder"; status=1 ;; esac
  done
  for left in /var/lib/berth/overlay2/tmp-* /var/lib/berth/tmp/*; do
    [ -e "$left" ] && { echo "stray $left"; status=1; }
  done
  return $status
}
check "after the cut: what was answered is there" all_hold
check "after the cut: nothing half done is left" no_strays
check "after the cut: every image can be read" all_save
check "after the cut: containers start" all_start
check "after the cut: a new container runs" says fine berth run --rm --network none busybox echo fine
check "after the cut: all can be removed" sh -c 'berth rm -f $(berth ps -aq) && [ -z "$(berth ps -aq)" ]'
kill "$(cat /run/berth.pid)"
quietly patiently no_daemon
