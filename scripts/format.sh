#!/usr/bin/env bash
# Formats the C++ sources by .clang-format; with --check changes nothing and fails when something would change.
set -euo pipefail
cd "$(dirname "$0")/.."

mode=-i
case "${1-}" in
  --check) mode="--dry-run -Werror" ;;
  "") ;;
  *) echo "usage: scripts/format.sh [--check]" >&2; exit 2 ;;
esac
# shellcheck disable=SC2086  # the mode is two words
find src tests/fuzz -name '*.cc' -o -name '*.h' -o -name '*.c' | xargs -r -P 2 -n 16 clang-format-19 $mode
