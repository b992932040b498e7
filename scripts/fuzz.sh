#!/usr/bin/env bash
# Builds the fuzz targets of tests/fuzz and runs each for a while, two at a time, starting from the corpus that is kept.
#   scripts/fuzz.sh [--seconds N] [--seed N] [--results FOLDER] [NAME...]
# 60 seconds each; 0 only runs the kept inputs. --seed makes a run the same again as far as its time allows, and leaves
# what earlier runs have collected aside; without it each run is another. An input that breaks a target goes to build/fuzz/found/NAME-…: once its
# cause is mended it belongs into tests/fuzz/corpus/NAME/. With --results each verdict is written to FOLDER/NAME.check.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=60 seed="" results="" names=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds=$2; shift ;;
    --seed) seed=$2; shift ;;
    --results) results=$2; shift ;;
    -*) echo "usage: scripts/fuzz.sh [--seconds N] [--seed N] [--results FOLDER] [NAME...]" >&2; exit 2 ;;
    *) names+=("$1") ;;
  esac
  shift
done
if [ ${#names[@]} -eq 0 ]; then
  for source in tests/fuzz/*.cc; do names+=("$(basename "$source" .cc)"); done
fi

scripts/build.sh fuzz "${names[@]/#/fuzz_}"
folder=build/fuzz
mkdir -p $folder/found $folder/log

# run NAME: the end of its log is shown when the verdict is bad.
run() {
  local name=$1 verdict=pass limit=(-max_total_time="$seconds") corpus="$folder/corpus/$1"
  if [ -n "$seed" ]; then
    corpus="$folder/seeded/$1"
    rm -rf "$corpus"
    limit+=(-seed="$seed")
  fi
  [ "$seconds" -gt 0 ] || limit=(-runs=0)
  mkdir -p "$corpus"
  "$folder/fuzz/$name" "$corpus" "tests/fuzz/corpus/$name" "${limit[@]}" -max_len=65536 -timeout=30 \
    -rss_limit_mb=3000 -artifact_prefix="$folder/found/$name-" -print_final_stats=1 >"$folder/log/$name" 2>&1 ||
    verdict=fail
  echo "fuzz $name: $verdict, $(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/log/$name") inputs"
  [ $verdict = pass ] || tail -n 40 "$folder/log/$name"
  echo $verdict >"$results/fuzz-$name.check"
}

results=${results:-$folder/log}
rm -f "$results"/fuzz-*.check
for name in "${names[@]}"; do
  [ "$(jobs -rp | wc -l)" -lt 2 ] || wait -n
  run "$name" &
done
wait
for name in "${names[@]}"; do grep -qs pass "$results/fuzz-$name.check" || exit 1; done
