#!/usr/bin/env bash
# Configures and builds one preset (default: release) into build/<preset>/; further words go to ninja.
#   scripts/build.sh [PRESET] [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/.."

preset=${1:-release}
[ $# -gt 0 ] && shift
if [ ! -f "build/$preset/build.ninja" ]; then
  cmake --preset "$preset"
fi
exec cmake --build --preset "$preset" ${1:+--target "$@"}
