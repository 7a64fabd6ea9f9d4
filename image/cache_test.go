package image

import (
	"bytes"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// cached reads a blob through a cache and tells whether it was fetched.
func cached(t *testing.T, c *cache, data []byte) (fetched bool) {
	t.Helper()
	d := v1.Descriptor{Digest: digestOf(data), Size: int64(len(data))}
	r, err := c.open(t.Context(), d, func() (io.ReadCloser, error) {
		fetched = true
		return io.NopCloser(bytes.NewReader(data)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %q, %v", got, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return fetched
}

func openCache(t *testing.T, dir string, limit int64) *cache {
	t.Helper()
	c, err := newCache(Options{CacheDir: dir, CacheBytes: limit})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCacheEntries finds out when an entry is not what its name says.
func TestCacheEntries(t *testing.T) {
	t.Parallel()
	data := []byte("the bytes of a layer")
	for name, harm := range map[string]func(t *testing.T, entry string){
		"nothing": func(*testing.T, string) {},
		"flipped": func(t *testing.T, entry string) { writeTestFile(t, entry, []byte("the bytes of a lazer")) },
		"cut":     func(t *testing.T, entry string) { writeTestFile(t, entry, data[:5]) },
		"longer":  func(t *testing.T, entry string) { writeTestFile(t, entry, append(bytes.Clone(data), 0)) },
		"empty":   func(t *testing.T, entry string) { writeTestFile(t, entry, nil) },
		"gone":    func(*testing.T, string) {},
		"a directory": func(t *testing.T, entry string) {
			writeTestFile(t, filepath.Join(entry, "x"), nil)
		},
		"a link": func(t *testing.T, entry string) {
			if err := os.Symlink("/etc/passwd", entry); err != nil {
				t.Fatal(err)
			}
		},
		"unreadable": func(t *testing.T, entry string) {
			writeTestFile(t, entry, []byte("x"))
			if err := os.Chmod(entry, 0); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "made", "by us")
			c := openCache(t, dir, 0)
			if !cached(t, c, data) {
				t.Fatal("an empty cache had it")
			}
			entry := filepath.Join(dir, digestOf(data).Hex)
			if name != "nothing" {
				if err := os.Remove(entry); err != nil {
					t.Fatal(err)
				}
			}
			harm(t, entry)
			if fetched := cached(t, c, data); fetched != (name != "nothing") {
				t.Errorf("fetched: %v", fetched)
			}
			if cached(t, c, data) {
				t.Error("it was not stored again")
			}
			if diff := cmp.Diff(map[string]string{filepath.Base(entry): string(data)}, tree(t, dir)); diff != "" {
				t.Errorf("cache (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCacheNotFilled stores nothing that is not whole and right.
func TestCacheNotFilled(t *testing.T) {
	t.Parallel()
	data := []byte("0123456789")
	d := v1.Descriptor{Digest: digestOf(data), Size: int64(len(data))}
	for name, body := range map[string]string{"truncated": "01234", "wrong": "0123456780", "longer": "0123456789a", "nothing": ""} {
		c := openCache(t, t.TempDir(), 0)
		r, err := c.open(t.Context(), d, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil })
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != body {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		_ = r.Close()
		if left := tree(t, c.dir); len(left) > 0 {
			t.Errorf("%s: the cache has %v", name, left)
		}
	}
	c := openCache(t, t.TempDir(), 5)
	for range 2 {
		if !cached(t, c, data) {
			t.Error("a blob over the limit was stored")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	c = openCache(t, t.TempDir(), 0)
	cached(t, c, data)
	cancel()
	if r, err := c.open(ctx, d, func() (io.ReadCloser, error) { t.Error("fetched after a cancel"); return nil, io.EOF }); err == nil {
		t.Errorf("got %v after a cancel", r)
	}
	if cached(t, c, data) {
		t.Error("a cancel removed the entry")
	}
}

// TestCacheLimit removes what was not wanted for the longest time.
func TestCacheLimit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := openCache(t, dir, 30)
	blobs := [][]byte{[]byte("aaaaaaaaaa"), []byte("bbbbbbbbbb"), []byte("cccccccccc"), []byte("dddddddddd")}
	for i, b := range blobs[:3] {
		cached(t, c, b)
		then := time.Unix(int64(1000+i), 0)
		if err := os.Chtimes(filepath.Join(dir, digestOf(b).Hex), then, then); err != nil {
			t.Fatal(err)
		}
	}
	writeTestFile(t, filepath.Join(dir, "mine"), bytes.Repeat([]byte("x"), 100))
	if cached(t, c, blobs[0]) { // wanted now: the second is the oldest
		t.Fatal("it was removed early")
	}
	cached(t, c, blobs[3])
	left := slices.Sorted(maps.Keys(tree(t, dir)))
	want := []string{"mine"}
	for _, b := range [][]byte{blobs[0], blobs[2], blobs[3]} {
		want = append(want, digestOf(b).Hex)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// TestCacheShared fills one directory from several sides at once, and clears up
// after runs that were killed.
func TestCacheShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeTestFile(t, filepath.Join(dir, fillPrefix+"killed"), []byte("half"))
	data := bytes.Repeat([]byte("0123456789"), 10_000)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			c := openCache(t, dir, 0)
			for range 10 {
				cached(t, c, data)
			}
		})
	}
	group.Wait()
	if diff := cmp.Diff(map[string]string{digestOf(data).Hex: string(data)}, tree(t, dir)); diff != "" {
		t.Errorf("cache (-want +got):\n%s", diff)
	}
}
