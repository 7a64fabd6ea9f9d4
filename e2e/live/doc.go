// Package live starts the images of OCI layouts for the end-to-end tests and
// the programs beside them, through [record/sandbox] like lathe itself.
//
// [Strace] traces such a container from the first instruction of the image on,
// for tests that need the evidence of strace as such. All of it needs root and
// Linux.
//
// [record/sandbox]: https://pkg.go.dev/github.com/lathe-build/lathe/record/sandbox
package live
