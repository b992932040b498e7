#!/usr/bin/env bash
# Runs clang-tidy over the sources that changed against main, or over the given files.
#   scripts/tidy.sh [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/deps.sh --tidy
[ -f build/debug/compile_commands.json ] || cmake --preset debug >/dev/null
files=("$@")
if [ ${#files[@]} -eq 0 ]; then
  mapfile -t files < <(git diff --name-only --diff-filter=d "$(git merge-base main HEAD)" -- 'src/*.cc')
fi
[ ${#files[@]} -eq 0 ] && { echo "nothing changed against main"; exit 0; }
printf '%s\n' "${files[@]}" | xargs -P 2 -n 1 clang-tidy-19 -p build/debug --quiet
