# Creates, starts, removes and loads until the power goes. Says VM-DONE only when the daemon has answered.
. /guest/common.sh
start_daemon
seed=$(sed 's/.*berth.seed=\([0-9]*\).*/\1/' /proc/cmdline)
berth image inspect busybox >/dev/null 2>&1 || berth import /guest/busybox.tar busybox:latest >/dev/null
echo VM-CHURN
i=0
while [ $i -lt 400 ]; do
  name=c$seed-$i
  berth create --name $name --network none busybox sh -c 'echo x' >/dev/null 2>&1 && echo "VM-DONE created $name"
  if [ $((i % 3)) = 0 ]; then
    berth start $name >/dev/null 2>&1
    berth wait $name >/dev/null 2>&1 && echo "VM-DONE exited $name"
  fi
  [ $((i % 4)) = 1 ] && berth rm $name >/dev/null 2>&1 && echo "VM-DONE removed $name"
  [ $((i % 10)) = 9 ] && berth import /guest/busybox.tar img$seed:$i >/dev/null 2>&1
  i=$((i + 1))
done
