// Package depcheck holds the rules of which package may import which, as a test.
//
// The rules are a table, one row a package, and read like the drawing in
// docs/project-layout.md: every arrow is an import, nothing points up. A package
// without a row fails the test, so that a new one says where it stands. Only the
// import clauses of files are read, of every build tag, so nothing is compiled
// and nothing is fetched. Tests may import what they like, but for sigstore and
// cobra.
package depcheck
