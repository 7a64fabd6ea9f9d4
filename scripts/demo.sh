#!/usr/bin/env bash
# The main job from end to end: builds a real nginx image of three layers from
# the distribution's packages, records it live or takes the profile in
# examples/nginx, hardens, signs, verifies, and fetches a page from the original and the hardened image.
set -euo pipefail
cd "$(dirname "$0")/.."
work=.build/demo
lathe=.build/lathe
step() { printf '\n== %s\n' "$*"; }

rm -rf "$work" && mkdir -p "$work"

step "an nginx image of three layers: base, packages, site"
go run ./internal/debimage/cmd/debimage -o "$work/nginx" examples/nginx

step "a key made on the spot"
COSIGN_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
export COSIGN_PASSWORD
"$lathe" generate-key-pair --output-key-prefix "$work/cosign"

test=(sh -c 'curl -fsS "http://$LATHE_ADDR/" "http://$LATHE_ADDR/style.css" >/dev/null')
if command -v curl >/dev/null && "$lathe" record "oci:$work/nginx" --name nginx -o "$work/profile.json" -- "${test[@]}" 2>"$work/record.txt" >"$work/coverage.txt"; then
	step "recorded live: the image ran here, under test"
	cat "$work/coverage.txt"
	profile=("$work/profile.json" --verify)
	test=(-- "${test[@]}")
else
	step "not recorded live, but taken from examples/nginx: $(tail -n1 "$work/record.txt" 2>/dev/null || echo 'curl is not installed')"
	profile=(examples/nginx/profile.json --rebase) # maybe of another build of the image
	test=()
fi

step "harden it"
"$lathe" harden "oci:$work/nginx" --profile "${profile[@]}" \
	--selector app=web --key "$work/cosign.key" -o "$work/out" "${test[@]}" >"$work/summary.txt"

step "verify signature, attestation, plan and every entry, also against the original"
"$lathe" verify "$work/out" --key "$work/cosign.pub" --source "oci:$work/nginx"

step "why is there no shell, and why is zlib still there?"
"$lathe" explain "$work/out" /bin/sh
"$lathe" explain "$work/out" /lib/"$(uname -m)"-linux-gnu/libz.so.1 ||
	"$lathe" explain "$work/out" /usr/sbin/nginx

step "fetch a page from the original and from the hardened image"
for which in nginx out/image; do
	printf '%-10s ' "$([ "$which" = nginx ] && echo original || echo hardened)"
	go run ./e2e/cmd/fetch -port 8080 "$work/$which" /
done

step "before and after"
cat "$work/summary.txt"
