#!/usr/bin/env bash
# Installs what the demo and the end-to-end tests need from the distribution:
#   scripts/deps.sh demo   curl, mmdebstrap, runc and umoci, and uidmap for users other than root
#   scripts/deps.sh bpf    clang, llvm and libbpf-dev, to compile the recorder's programs
#   scripts/deps.sh e2e    also gcc, iproute2, skopeo, strace and util-linux
#   scripts/deps.sh engines  the same, docker, podman and containerd; their services are not started
# What is there already is left alone; what is missing is installed with one
# line that says so.
set -euo pipefail

want=(curl mmdebstrap runc umoci)
[ "$(id -u)" = 0 ] || want+=(uidmap)
case "${1:-demo}" in
e2e | engines) want+=(gcc iproute2 libc6-dev skopeo strace uidmap util-linux) ;;
esac
if [ "${1:-demo}" = engines ]; then
	want+=(containerd docker.io podman)
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
policy=/usr/sbin/policy-rc.d
if [ "${1:-demo}" = engines ] && [ ! -e "$policy" ]; then # a service of docker would change the firewall
	printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
	"${sudo[@]}" chmod 755 "$policy"
	trap '"${sudo[@]}" rm -f "$policy"' EXIT
fi
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
