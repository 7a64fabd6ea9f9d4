#!/usr/bin/env bash
# Installs what the demo and the end-to-end tests need from the distribution:
#   scripts/deps.sh demo   curl, mmdebstrap, runc and umoci, and uidmap for users other than root
#   scripts/deps.sh bpf    clang, llvm and libbpf-dev, to compile the recorder's programs
#   scripts/deps.sh e2e    also iproute2, skopeo, strace and util-linux
# What is there already is left alone; what is missing is installed with one
# line that says so.
set -euo pipefail

want=(curl mmdebstrap runc umoci)
[ "$(id -u)" = 0 ] || want+=(uidmap)
if [ "${1:-demo}" = e2e ]; then
	want+=(iproute2 skopeo strace uidmap util-linux)
fi
if [ "${1:-demo}" = bpf ]; then
	want=(clang-14 libbpf-dev llvm-14 make)
fi
missing=()
for package in "${want[@]}"; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null; then
	echo "deps: this needs Debian or Ubuntu; install these by hand: ${missing[*]}" >&2
	exit 1
fi
sudo=()
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { echo "deps: run as root, or install: ${missing[*]}" >&2; exit 1; }
	sudo=(sudo)
fi
echo "deps: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
