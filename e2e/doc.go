// Package e2e proves lathe on real images: Debian's nginx, a Flask application
// on Debian's Python and a static Go program on Alpine, built on the spot from
// the recipes in examples/. Each is recorded by lathe, hardened with the profile
// of that run at every level, and run again: it must answer what the profile
// never saw, and hold no tools. The real cosign checks the signatures.
//
// The tests have the build tag e2e and run as `make e2e`. They need root,
// Linux and the programs that `make deps` installs; they say so where one is
// missing. LATHE_BIN names a lathe to test instead of building one, and
// LATHE_COSIGN the cosigns to check with, separated by colons.
package e2e
