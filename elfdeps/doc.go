// Package elfdeps says which files the dynamic loader needs for a program or
// a library, for glibc and for musl, without running anything: an image of a
// foreign architecture is read like any other.
//
// [Parse] reads one ELF file. It works from the program headers, as the kernel
// and the loaders do, since stripped files need not have section headers.
// [Loader] knows one root filesystem: its ld.so.cache, ld.so.conf,
// ld-musl-ARCH.path and default directories. [Loader.Deps] gives the direct
// dependencies of one file; the closure is the caller's, who passes on the
// inherited DT_RPATH directories that Deps returns.
//
// All paths are slash-separated and have no leading slash, as in [io/fs]. The
// filesystem is expected to follow symbolic links inside its own root and to
// implement [fs.ReadLinkFS]; where it does not, links are not followed for
// $ORIGIN and "..", and nothing else changes.
//
// Every file is taken for hostile: counts, sizes and offsets are bounded by the
// constants of this package, and nothing is believed that was not read.
//
// Where a loader could not know better, more is returned rather than less:
// keeping a library too many costs bytes, dropping one too many costs a start.
package elfdeps
