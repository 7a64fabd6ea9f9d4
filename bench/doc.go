// Package bench measures what hardening an image costs, next to what it cannot
// cost less than and to what it costs when written down the obvious way.
//
// [Generate] makes an image from a [Shape]: the same bytes on every machine, no
// network, contents that compress about as well as those of real images, a
// package database, ELF files, hard links, whiteouts, and a profile of which
// about a third of the bytes is used. The functions named after steps then do
// one piece of work each: [Floor] is inflating and hashing, [Tree], [Plan] and
// [Rewrite] are what lathe adds step by step, [Naive] is the same filtering with
// go-containerregistry and archive/tar alone.
//
// cmd/bench runs each step as a process of its own, several times in turn, and
// writes the medians to docs/benchmarks.md. The benchmarks in this package's
// test files are for work on one step at a time.
package bench
