package debimage

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// item is an entry of an archive: its header and the digest of its data.
type item struct {
	header *tar.Header
	sum    [sha256.Size]byte
}

// listing holds the entries of an archive by canonical path.
type listing map[string]item

// readArchive calls visit for every entry of the tar archive name, gzipped or
// not, that belongs in an image. The header is canonical.
func readArchive(ctx context.Context, name string, visit func(*tar.Header, io.Reader) error) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("opening an archive: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	var stream io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		unzip, err := gzip.NewReader(file)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		stream = unzip
	}
	archive := tar.NewReader(stream)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		if canonical(header); belongs(header) {
			if err := visit(header, archive); err != nil {
				return err
			}
		}
	}
}

// canonical drops from a header what differs between hosts and runs.
func canonical(h *tar.Header) {
	h.Name = strings.Trim(path.Clean("/"+h.Name), "/")
	if h.Typeflag == tar.TypeLink {
		h.Linkname = strings.Trim(path.Clean("/"+h.Linkname), "/")
	}
	h.Uname, h.Gname = "", ""
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	h.ModTime = h.ModTime.Truncate(time.Second)
	h.Format = tar.FormatUnknown
	maps.DeleteFunc(h.PAXRecords, func(key, _ string) bool {
		return !strings.HasPrefix(key, "SCHILY.xattr.")
	})
}

// belongs tells whether an entry belongs in an image: not the root itself, not
// device nodes and sockets, and nothing in /dev.
func belongs(h *tar.Header) bool {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeLink, tar.TypeSymlink, tar.TypeDir:
	default:
		return false
	}
	return h.Name != "" && !strings.HasPrefix(h.Name, "dev/")
}

// list reads what an archive holds.
func list(ctx context.Context, name string) (listing, error) {
	out := listing{}
	err := readArchive(ctx, name, func(h *tar.Header, data io.Reader) error {
		hash := sha256.New()
		if _, err := io.Copy(hash, data); err != nil {
			return fmt.Errorf("reading %s in %s: %w", h.Name, name, err)
		}
		it := item{header: h}
		hash.Sum(it.sum[:0])
		out[h.Name] = it
		return nil
	})
	return out, err
}

// difference returns what a layer on top of lower must hold to give upper: the
// entries to write and the paths to white out, both sorted. An entry that
// changes brings its parents, as container builders do, and all the names of
// its file.
func difference(lower, upper listing) (entries, gone []string) {
	want := map[string]bool{}
	for name, it := range upper {
		if before, ok := lower[name]; !ok || !same(before, it) {
			want[name] = true
		}
	}
	addMates(want, upper)
	for name := range maps.Clone(want) {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if _, ok := upper[dir]; ok {
				want[dir] = true
			}
		}
	}
	for name := range lower {
		if _, ok := upper[name]; ok {
			continue
		}
		above, ok := upper[path.Dir(name)]
		if path.Dir(name) == "." || ok && above.header.Typeflag == tar.TypeDir {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	return slices.Sorted(maps.Keys(want)), gone
}

// same tells whether two entries are the same file. Of directories the time is
// not looked at: it changes with their content, which has its own entries.
func same(a, b item) bool {
	x, y := a.header, b.header
	return x.Typeflag == y.Typeflag && x.Mode == y.Mode && x.Uid == y.Uid && x.Gid == y.Gid &&
		x.Linkname == y.Linkname && maps.Equal(x.PAXRecords, y.PAXRecords) && a.sum == b.sum &&
		(x.Typeflag == tar.TypeDir || x.ModTime.Equal(y.ModTime))
}

// addMates completes groups of hard links: where one name is wanted, all are.
func addMates(want map[string]bool, all listing) {
	groups := map[string][]string{}
	for name, it := range all {
		if it.header.Typeflag == tar.TypeLink {
			groups[it.header.Linkname] = append(groups[it.header.Linkname], name)
		}
	}
	for target, names := range groups {
		names = append(names, target)
		if slices.ContainsFunc(names, func(n string) bool { return want[n] }) {
			for _, n := range names {
				want[n] = true
			}
		}
	}
}
