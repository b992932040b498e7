#!/usr/bin/env bash
# Builds Berth and runs its tests: unit tests, the checks of the sources, the integration tests (as root), and each fuzz
# target for BERTH_FUZZ_SECONDS (60). With --vm the checks in a virtual machine (tests/vm) instead, whose timing under
# emulation is not steady enough for every run.
#   scripts/test.sh [--preset NAME] [-k EXPRESSION] [--unit | --integration | --fuzz | --vm] [-- PYTEST_ARGUMENT...]
# The last line says how it went: "N passed, N failed, N skipped".
set -uo pipefail
cd "$(dirname "$0")/.."

preset=release want_unit=1 want_integration=1 want_fuzz=1 want_vm=0 want_debian=1 pytest_arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --preset) preset=$2; want_fuzz=0; shift ;;
    -k) pytest_arguments+=(-k "$2"); want_fuzz=0 want_vm=0 want_debian=0; shift ;;
    --unit) want_integration=0 want_fuzz=0 want_vm=0 ;;
    --integration) want_unit=0 want_fuzz=0 want_vm=0 ;;
    --fuzz) want_unit=0 want_integration=0 want_fuzz=1 want_vm=0 ;;
    --vm) want_unit=0 want_integration=0 want_fuzz=0 want_vm=1 ;;
    --) shift; pytest_arguments+=("$@"); break ;;
    *) echo "usage: scripts/test.sh [--preset NAME] [-k EXPRESSION] [--unit | --integration | --fuzz | --vm]" \
            "[-- PYTEST_ARGUMENT...]" >&2
       exit 2 ;;
  esac
  shift
done

results=$(mktemp -d)
trap 'kill ${debian:-} 2>/dev/null; rm -rf "$results"' EXIT

# check NAME COMMAND...: one step that counts as one test.
check() {
  local name=$1; shift
  echo "== $name"
  if "$@"; then echo pass >"$results/$name.check"; else echo fail >"$results/$name.check"; fi
  [ "$(cat "$results/$name.check")" = pass ]
}

finish() {
  scripts/count_results.py "$results"
  exit
}

# A Debian for the tests of images, which have no way out of their network namespace. Its download takes about as long
# as the build.
start_debian() {
  if [ $want_integration$want_debian != 11 ] || [ -n "${BERTH_DEBIAN:-}" ]; then return; fi
  unshare --mount mmdebstrap --quiet --variant=essential bookworm "$results/debian.tar" >"$results/debian.log" 2>&1 &
  debian=$!
}

wait_for_debian() {
  [ -n "${debian:-}" ] || return 0
  if wait "$debian"; then
    export BERTH_DEBIAN=$results/debian.tar
  else
    tail -n 3 "$results/debian.log"
    echo "no Debian could be made: what needs one is skipped"
  fi
  debian=
}

vm_option=()
[ $want_vm -eq 0 ] || vm_option=(--vm)
check dependencies scripts/deps.sh "${vm_option[@]}" || finish
start_debian
[ $((want_unit + want_integration + want_vm)) -eq 0 ] || check build scripts/build.sh "$preset" || finish

if [ $want_unit -eq 1 ]; then
  check rooms scripts/check_rooms.py
  check format scripts/format.sh --check
  echo "== unit tests"
  mkdir "$results/unit"
  # Every test program writes its cases to a file of its own name; one that crashes writes none, and counts as failed.
  GTEST_OUTPUT="json:$results/unit/" ctest --test-dir "build/$preset" --output-on-failure --no-tests=error \
    --timeout 300 --output-junit "$results/ctest.xml"
fi

if [ $want_integration -eq 1 ]; then
  echo "== integration tests"
  wait_for_debian
  /usr/bin/python3 -m pytest tests -p no:cacheprovider --junitxml="$results/pytest.xml" \
    --bin="build/$preset/bin" "${pytest_arguments[@]}"
  echo $? >"$results/pytest.exit"
fi

if [ $want_fuzz -eq 1 ]; then
  echo "== fuzz targets"
  # One seed for all, so that a change is judged by what it changes; BERTH_FUZZ_SEED=random looks for news.
  seed=(--seed "${BERTH_FUZZ_SEED:-1}")
  [ "${BERTH_FUZZ_SEED:-}" != random ] || seed=()
  scripts/fuzz.sh --seconds "${BERTH_FUZZ_SECONDS:-60}" "${seed[@]}" --results "$results" || echo fail >"$results/fuzz.check"
fi

if [ $want_vm -eq 1 ]; then
  echo "== virtual machine"
  # Another seed each time, and told, so that a failure can be had again.
  seed=$((RANDOM))
  echo "tests/vm/run.py --bin build/$preset/bin --power-cuts 1 --seed $seed"
  /usr/bin/python3 tests/vm/run.py --bin "build/$preset/bin" --power-cuts 1 --seed "$seed" --counts "$results/vm.counts"
  echo $? >"$results/vm.exit"
fi
finish
