#!/usr/bin/env bash
# Runs every fuzz target of the module: scripts/fuzz.sh [TIME], a minute each by
# default. With -l it only lists them, as "DIR TARGET".
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-60s}
targets() {
	grep -rE '^func Fuzz[A-Za-z0-9_]+\(' --include='*_test.go' . |
		sed -E 's|^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]+)\(.*|\1 \2|' | sort -u
}
if [ "$time" = -l ]; then
	targets
	exit
fi
targets | while read -r dir target; do
	echo "== $dir $target"
	go test "$dir" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 20x </dev/null
done
