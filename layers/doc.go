// Package layers reads the layers of an OCI image as one immutable [Tree] and
// writes them back with edits.
//
// A Tree holds every entry of every layer, and the root filesystem that they
// make when they are applied in order, as the OCI image specification says and
// containerd does: whiteouts take away what lower layers hold, never what their
// own layer holds; the parent directories of a name are followed through
// symbolic links inside the root; the last entry of a path wins. Entries that
// are not part of the root filesystem, since something above hides them, are
// shadowed: [Entry.Shadowed] is set and [Entry.HiddenBy] names what hides them.
//
// [Open] reads each layer once. The bytes go to two unlinked temporary files:
// the blob as it came, checked against its digest, and the archive inside,
// checked against its diff ID. Nothing of an image is ever unpacked, and no
// path of an image is ever used on the host.
//
// [Rewrite] writes an image from a Tree and one [Edit] an entry. A layer
// without an edit keeps its blob, byte for byte. Of a layer with edits the
// entries that stay are copied as they are, header and padding included; the
// exceptions are hard links that must carry their content because the name that
// carried it is gone, links that must name another mate, and entries governed
// by a global PAX header. The outcome depends on the input alone: compression
// works in blocks of a fixed size, so the number of cores changes nothing.
//
// Memory is bounded by the number of entries and of workers, not by sizes. What
// an image may ask for is bounded by [Limits].
package layers
