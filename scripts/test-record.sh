#!/usr/bin/env bash
# Runs the tests that record containers, and says at the end, where nobody can
# miss it, what this machine could not test. With LATHE_NEED_RECORDER set a machine
# that cannot record fails.
set -euo pipefail
cd "$(dirname "$0")/.."
output=$(mktemp)
trap 'rm -f "$output"' EXIT

{
	go test -count=1 -v ./record/...
	go test -count=1 -v -run "^Test(Record|Proof|Repair)" ./cmd/lathe
} 2>&1 | tee "$output"
tests=$(grep -c '^--- SKIP: ' "$output" || true)
[ "$tests" -gt 0 ] || exit 0
reasons=$(grep -hoE '(SKIPPED|NOT TESTED).*' "$output" | sort | uniq -c | sed 's/^/    /')
{
	printf '\n%s\n' '################################################################'
	printf '##  RECORDING WAS NOT TESTED: %s tests were skipped here.\n' "$tests"
	printf '%s\n' "$reasons"
	printf '%s\n\n' '################################################################'
} >&2
if [ -n "${GITHUB_ACTIONS:-}" ]; then
	printf '::warning title=recording was not tested::%s tests were skipped on this machine\n' "$tests"
fi
