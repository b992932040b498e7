# Several clients create, start, remove, tag and import until the power goes. Each says VM-DOING name before it changes
# something and VM-DONE state name when the daemon has answered.
. /guest/common.sh
start_daemon
seed=$(sed 's/.*berth.seed=\([0-9]*\).*/\1/' /proc/cmdline)
berth image inspect busybox >/dev/null 2>&1 || berth import /guest/busybox.tar busybox:latest >/dev/null

doing() { echo "VM-DOING $1"; }
done_() { echo "VM-DONE $1 $2"; }

short_lived() {
  i=0
  while :; do
    name=s$seed-$i
    state=created
    doing $name
    berth create --name $name --network none busybox sh -c "echo said" >/dev/null 2>&1 && done_ created $name
    if [ $((i % 3)) = 0 ]; then
      doing $name
      berth start -a $name >/dev/null 2>&1 && state=exited && done_ exited $name
    fi
    if [ $((i % 4)) = 1 ]; then
      doing $name
      berth rm $name >/dev/null 2>&1 && done_ removed $name
    fi
    if [ $((i % 5)) = 2 ]; then
      doing $name
      doing new-$name
      berth rename $name new-$name >/dev/null 2>&1 && done_ $state new-$name && done_ removed $name
    fi
    i=$((i + 1))
  done
}

long_lived() {
  i=0
  while :; do
    name=l$seed-$i
    doing $name
    # The host's network may not be there at once after the cut; none is enough here.
    berth run -d --name $name --network none busybox sleep 100000 >/dev/null 2>&1 && done_ killed $name
    # "always" starts what was stopped by hand too when the daemon comes, "unless-stopped" doesn't.
    policy=always
    [ $((i % 2)) = 1 ] && policy=unless-stopped
    doing kept-$name
    berth run -d --restart $policy --name kept-$name --network none busybox sleep 100000 >/dev/null 2>&1 &&
      done_ running kept-$name
    if [ $((i % 4)) -ge 2 ]; then
      doing kept-$name
      berth stop -t 0 kept-$name >/dev/null 2>&1 &&
        if [ $policy = always ]; then done_ running kept-$name; else done_ stopped kept-$name; fi
    fi
    if [ $((i % 3)) = 2 ]; then
      doing $name
      berth rm -f $name >/dev/null 2>&1 && done_ removed $name
    fi
    i=$((i + 1))
    [ $i = 12 ] && return
  done
}

images() {
  i=0
  while :; do
    name=img$seed:$i
    mkdir -p /tmp/img/$i
    head -c 300000 /dev/urandom >/tmp/img/$i/file
    tar -C /tmp/img/$i -cf /tmp/img/$i.tar file
    doing $name
    berth import /tmp/img/$i.tar $name >/dev/null 2>&1 && done_ image $name
    doing tag$seed:$i
    berth tag $name tag$seed:$i && done_ image tag$seed:$i
    if [ $((i % 3)) = 1 ]; then
      doing $name
      doing tag$seed:$i
      berth rmi $name tag$seed:$i >/dev/null 2>&1 && done_ noimage $name && done_ noimage tag$seed:$i
    fi
    rm -r /tmp/img
    i=$((i + 1))
    sleep 0.2
  done
}

echo VM-CHURN
short_lived &
long_lived &
images &
wait
