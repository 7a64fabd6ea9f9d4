// Package profile is the runtime profile: what an image really ran.
//
// A [Profile] is plain data in a Kubernetes-style envelope ([APIVersion],
// [Kind]). It holds where the evidence comes from ([Source]), which images it
// is about ([Image]) and what was seen: executables, files, paths that were
// asked for and not there, connections, DNS questions, system calls and
// capabilities. Every entry names the sources that saw it.
//
// # Guarantees
//
// [Read] accepts JSON and YAML, plain or compressed, and is strict: unknown
// fields, duplicate keys, foreign versions and trailing data are errors that
// name the field or the line. It never needs more than its [Limits].
//
// [Profile.Canonical] is one byte sequence for one set of facts: keys and
// arrays are sorted, empty fields are left out, numbers are integers, times
// are UTC. Digests and signatures are made over these bytes.
//
// [Merge] is a least upper bound: commutative, associative, idempotent, with
// the empty profile as identity. Counters are kept per source and merged by
// maximum, so that merging a profile with itself changes nothing.
//
// [Bind] resolves the recorded spellings of paths against an image. It is not
// a merge: it changes the keys of entries, so bound and unbound profiles do
// not mix.
//
// # Paths
//
// A [Path] is bytes, as in the kernel. Where it is not UTF-8 the document
// holds pathB64 instead of path, and {"b64": ...} inside lists. The key of an
// executable ([Key]) is always UTF-8, because other bytes are escaped in it.
//
// # Completeness
//
// Absence is evidence only where a source could see and lost nothing. A source
// therefore says what it [Source.Observes], and counts as complete when it
// says so and either knows that nothing was lost or a person vouches for it
// ([Source.IsComplete]).
package profile
