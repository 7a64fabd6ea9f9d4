// Package pkgdb reads the package databases of a root filesystem (dpkg and
// apk; rpm is only recognized) and writes the same databases without what is
// gone.
//
// [Read] gives a [DB]: its packages, who owns a path, and by [DB.Without] the
// changed database files for a set of dropped packages and gone paths. Bytes
// that need not change do not: a package that stays keeps its paragraph as it
// was, unknown fields included.
//
// Paths are slash-separated without a leading slash. Owners and existence are
// decided on canonical paths: links in the parent directories (/bin → usr/bin)
// are resolved inside the root, the last element is not.
//
// All input is taken for hostile: see [Limits].
package pkgdb
