package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// DefaultCacheBytes is how much a cache holds when nothing else is said.
const DefaultCacheBytes = 10 << 30

// fillPrefix starts the names of entries that are being written.
const fillPrefix = ".fill-"

// cache keeps blobs of registries in a directory, by their digest. Nothing in it
// is believed: an entry is hashed whenever it is wanted, and one that is not what
// its name says is removed and fetched again. An entry appears when all of it was
// read and its digest is right. Several runs may share a directory. It may be
// removed at any time.
type cache struct {
	dir   string
	limit int64
}

// newCache opens the cache of opts, or none.
func newCache(opts Options) (*cache, error) {
	if opts.CacheDir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(opts.CacheDir, 0o700); err != nil {
		return nil, fmt.Errorf("opening the cache: %w", err)
	}
	c := &cache{dir: opts.CacheDir, limit: orDefault(opts.CacheBytes, DefaultCacheBytes)}
	c.removeUnfinished()
	return c, nil
}

func (c *cache) path(d v1.Descriptor) string { return filepath.Join(c.dir, d.Digest.Hex) }

// open gives a blob from the cache, or what fetch gives on its way into the
// cache.
func (c *cache) open(ctx context.Context, d v1.Descriptor, fetch func() (io.ReadCloser, error)) (io.ReadCloser, error) {
	if c == nil || d.Size > c.limit || checkDigest(d.Digest) != nil {
		return fetch()
	}
	f, err := c.stored(ctx, d)
	if err != nil || f != nil {
		return f, err
	}
	body, err := fetch()
	if err != nil {
		return nil, err
	}
	return c.fill(d, body), nil
}

// stored opens an entry that is what its name says. It gives nil when there is
// none.
func (c *cache) stored(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	info, err := os.Lstat(c.path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Mode().IsRegular() {
		f, err := c.check(ctx, d)
		if f != nil || context.Cause(ctx) != nil {
			return f, err
		}
	}
	_ = os.RemoveAll(c.path(d)) // what cannot be removed is found to be wrong again
	return nil, nil
}

// check hashes an entry.
func (c *cache) check(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	f, err := os.Open(c.path(d))
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	n, err := io.Copy(sum, withContext(ctx, io.LimitReader(f, d.Size+1)))
	if err == nil && (n != d.Size || sumDigest(sum) != d.Digest) {
		err = fmt.Errorf("the cache has other bytes for %s", d.Digest)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	touch(f)
	return f, nil
}

// fill is a blob on its way into the cache. Where that fails the blob is read
// all the same.
func (c *cache) fill(d v1.Descriptor, body io.ReadCloser) io.ReadCloser {
	name := filepath.Join(c.dir, fillPrefix+strconv.FormatUint(rand.Uint64(), 36))
	f, err := lockNew(name)
	if err != nil {
		return body
	}
	return &filling{ReadCloser: body, cache: c, d: d, name: name, file: f, sum: sha256.New()}
}

type filling struct {
	io.ReadCloser
	cache *cache
	d     v1.Descriptor
	name  string
	file  *os.File
	sum   hash.Hash
	n     int64
	bad   bool // it cannot be written
}

// Read implements io.Reader.
func (f *filling) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if n > 0 && !f.bad {
		f.n += int64(n)
		_, _ = f.sum.Write(p[:n]) // a hash never fails
		_, werr := f.file.Write(p[:n])
		f.bad = werr != nil || f.n > f.d.Size
	}
	return n, err
}

// Close gives the entry its name when it is whole.
func (f *filling) Close() error {
	whole := !f.bad && f.n == f.d.Size && sumDigest(f.sum) == f.d.Digest
	if !whole || os.Rename(f.name, f.cache.path(f.d)) != nil {
		_ = os.Remove(f.name) // the next run removes it, too
	}
	_ = f.file.Close() // the digest is checked when it is read
	if whole {
		f.cache.shrink(f.d.Digest.Hex)
	}
	return f.ReadCloser.Close()
}

// shrink removes entries, those first that were not wanted for the longest time,
// until the rest is within the limit. The newest stays.
func (c *cache) shrink(newest string) {
	list, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	var entries []fs.FileInfo
	total := int64(0)
	for _, e := range list {
		info, err := e.Info()
		if err != nil || !isHex64(e.Name()) {
			continue
		}
		total += info.Size()
		if e.Name() != newest {
			entries = append(entries, info)
		}
	}
	slices.SortFunc(entries, func(a, b fs.FileInfo) int {
		if n := a.ModTime().Compare(b.ModTime()); n != 0 {
			return n
		}
		return strings.Compare(a.Name(), b.Name())
	})
	for _, e := range entries {
		if total <= c.limit {
			return
		}
		if os.RemoveAll(filepath.Join(c.dir, e.Name())) == nil {
			total -= e.Size()
		}
	}
}

// removeUnfinished removes what killed runs were writing.
func (c *cache) removeUnfinished() {
	list, err := filepath.Glob(filepath.Join(escapeGlob(c.dir), fillPrefix+"*"))
	if err != nil {
		return
	}
	for _, name := range list {
		if lock, free := lockStale(name); free {
			_ = os.Remove(name)
			_ = lock.Close()
		}
	}
}

// escapeGlob makes a pattern that matches a path and no other.
func escapeGlob(p string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p)
}
