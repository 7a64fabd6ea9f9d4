// Package applier applies the layers of an image to a root filesystem in
// memory. It judges the outputs of tests, so it shares no code with package
// layers and reads archives and compression with other libraries.
//
// It follows the OCI image specification, "Image Layer Filesystem Changeset"
// (https://github.com/opencontainers/image-spec/blob/v1.1.0/layer.md), and where
// that is silent what container engines do: entries are applied in the order of
// the archive; the parents of a name are followed through symbolic links inside
// the root; a whiteout takes away what lower layers hold and leaves what its own
// layer has put there; a directory over a directory merges, anything else
// replaces. A hard link before its target is an error, as in every engine,
// unless [Options] say otherwise.
package applier
