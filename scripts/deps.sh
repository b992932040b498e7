#!/usr/bin/env bash
# Installs the Debian packages that building, testing and running Berth need, and nothing else.
# Asks dpkg first, so that a machine that has them all is left in a few milliseconds.
#   scripts/deps.sh           everything for scripts/build.sh, test.sh and quickstart.sh
#   scripts/deps.sh --build   only what the build needs
#   scripts/deps.sh --tidy    also clang-tidy (large)
#   scripts/deps.sh --vm      also what tests/vm needs (large)
set -euo pipefail

build=(clang-19 lld-19 cmake ninja-build libboost1.81-dev libboost-json1.81-dev libssl-dev
       libsqlite3-dev zlib1g-dev libdeflate-dev libzstd-dev libseccomp-dev libgtest-dev python3)
run=(ca-certificates nftables iproute2 procps busybox-static mmdebstrap xz-utils zstd)
test=(docker-registry apache2-utils clang-format-19 libclang-rt-19-dev python3-pytest skopeo podman buildah openssl e2fsprogs
      util-linux curl)

wanted=("${build[@]}" "${run[@]}" "${test[@]}")
case "${1-}" in
  --build) wanted=("${build[@]}") ;;
  --tidy) wanted+=(clang-tidy-19) ;;
  --vm) wanted+=(qemu-system-x86 cpio kmod criu) ;;
  "") ;;
  *) echo "usage: scripts/deps.sh [--build | --tidy | --vm]" >&2; exit 2 ;;
esac
# The stock client, and its daemon, with which tests/conformance compares Berth.
if [ "${1-}" != --build ] && { ! command -v docker >/dev/null || [ ! -x /usr/sbin/dockerd ]; }; then
  wanted+=(docker.io)
fi
# Another packaging of it (Docker's own) would be removed for Debian's.
if [ "${1-}" != --build ] && ! command -v ctr >/dev/null; then
  wanted+=(containerd)
fi

missing=()
installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' 2>/dev/null) "
for package in "${wanted[@]}"; do
  case "$installed" in *" installed=$package "*) ;; *) missing+=("$package") ;; esac
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "scripts/deps.sh: these packages are missing, run it as root: ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing: ${missing[*]}"
apt-get update -q
apt-get install -y -q --no-install-recommends "${missing[@]}"
