# After a power cut: everything reported done is there, and the daemon works.
. /guest/common.sh
check "daemon starts after the cut" start_daemon
expect=$(sed 's/.*berth.expect=\([^ ]*\).*/\1/' /proc/cmdline)
bad=
for pair in $(echo "$expect" | tr , ' '); do
  [ "$pair" = - ] && continue
  name=${pair%%:*}
  status=$(berth inspect -f '{{.State.Status}}' "$name" 2>/dev/null)
  case ${pair#*:} in
    created) [ -n "$status" ] || bad="$bad $pair=lost" ;;
    exited) [ "$status" = exited ] || bad="$bad $pair=$status" ;;
    removed) [ -z "$status" ] || bad="$bad $pair=$status" ;;
  esac
done
check "what was answered is there" sh -c "[ -z '$bad' ] || { echo '$bad'; exit 1; }"
check "no file of zero bytes among the images" sh -c '[ -z "$(find /var/lib/berth/content -type f -size 0 2>/dev/null)" ]'
check "a container runs" says fine berth run --rm --network none busybox echo fine
check "every image can be used" sh -c 'for i in $(berth images -q); do berth run --rm --network none $i true || exit 1; done'
kill "$(cat /run/berth.pid)"
sleep 1
