package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/lathe-build/lathe/internal/oddimage"
	"github.com/lathe-build/lathe/internal/testimage"
)

// textWorkspace is one with an image in odd/ whose layers a text describes.
func textWorkspace(t *testing.T, text string) workspace {
	t.Helper()
	c := oddimage.Case{Name: t.Name()}
	for layer := range strings.SplitSeq(text, "\n---\n") {
		raw, err := testimage.Tar(layer)
		if err != nil {
			t.Fatal(err)
		}
		c.Layers = append(c.Layers, oddimage.Layer{Archive: raw})
	}
	return oddWorkspace(t, c)
}

// TestNoByteLeft drops files in every way that there is, and looks for what was
// in them, and for their names, in every byte of every layer that comes out.
func TestNoByteLeft(t *testing.T) {
	t.Parallel()
	var secrets []string
	secret := func(name string) string {
		secrets = append(secrets, name)
		return name + " = " + "content-of-" + name + strings.Repeat("-padding", 80)
	}
	text := strings.Join([]string{
		"file " + secret("unused-plain") + "\nfile kept = stays\nfile " + secret("unused-deep/a/b") +
			"\nfile " + secret("replaced-later") + "\nfile " + secret("hidden-later") + "\nfile " + secret("hidden-dir/x") + "\nfile " + secret("opaque-dir/unused-y"),
		"file replaced-later = new\ngone hidden-later\ngone hidden-dir\nopaque opaque-dir\nfile opaque-dir/z = stays\nhard unused-link -> kept\nlink unused-symlink -> kept",
		"file " + secret("unused-above") + "\nlink dir -> opaque-dir\ngone dir/z\nfile opaque-dir/new = stays",
	}, "\n---\n")
	for _, compression := range []string{"gzip", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			t.Parallel()
			w := textWorkspace(t, text)
			w.ok("harden", "oci:odd", "-p", "profile.json", "-o", "out", "--drop", "/**/unused*", "--compression", compression)
			var all bytes.Buffer
			layers, err := w.hardened().Layers()
			w.check(err)
			for _, l := range layers {
				all.Write(expanded(t, l))
			}
			for _, name := range append(secrets, "unused-link", "unused-symlink", ".wh.") {
				content := "content-of-" + name
				if bytes.Contains(all.Bytes(), []byte(content)) {
					t.Errorf("the content of %s is still in a layer", name)
				}
				// The name of what a later layer replaces stays with that.
				if name != "replaced-later" && bytes.Contains(all.Bytes(), []byte(name)) {
					t.Errorf("the name %s is still in a layer", name)
				}
			}
			if !bytes.Contains(all.Bytes(), []byte("stays")) {
				t.Error("nothing is left that should be")
			}
		})
	}
}

// expanded is a layer as an archive, with a decoder that lathe does not use for
// gzip.
func expanded(t *testing.T, l v1.Layer) []byte {
	t.Helper()
	blob, err := l.Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer blob.Close()
	raw, err := io.ReadAll(blob)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(raw, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		open, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		if raw, err = io.ReadAll(open); err != nil {
			t.Fatal(err)
		}
		return raw
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if raw, err = z.DecodeAll(raw, nil); err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestNothingOfHost hardens, explains and verifies an image whose links and names
// lead to a directory of this machine: nothing there changes, and nothing of it
// is in what comes out.
func TestNothingOfHost(t *testing.T) {
	t.Parallel()
	host := t.TempDir()
	const secret = "a secret of this machine, which no image has"
	if err := os.WriteFile(filepath.Join(host, "secret"), []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	before := listing(t, host)
	depth := strings.Repeat("../", 30)
	w := textWorkspace(t, fmt.Sprintf(`link out -> %[1]s
link up -> %[2]s%[3]s
link etc/passwd -> %[1]s/secret
link usr/bin/tool -> %[1]s/secret
---
file out/written = x
file up/written-too = x
gone out/secret
script usr/local/bin/start = %[1]s/secret`, host, depth, strings.TrimPrefix(host, "/")))
	w.ok("harden", "oci:odd", "-p", "profile.json", "-o", "out", "--keep", "/etc/passwd", "--keep", "/usr/bin/tool", "--keep", "/usr/local/bin/start", "--keep", "/out", "--keep", "/up")
	for _, args := range [][]string{{"explain", "out", "/etc/passwd"}, {"explain", "oci:odd", "-p", "profile.json", "/usr/bin/tool"}} {
		stdout, stderr := w.both(args...)
		if strings.Contains(stdout+stderr, secret) {
			t.Errorf("%s prints what is on this machine", args[0])
		}
	}
	if diff := cmp.Diff(before, listing(t, host)); diff != "" {
		t.Errorf("the directory of this machine changed:\n%s", diff)
	}
	layers, err := w.hardened().Layers()
	w.check(err)
	for _, l := range layers {
		if bytes.Contains(expanded(t, l), []byte(secret)) {
			t.Error("a layer has what is on this machine")
		}
	}
	w.check(filepath.WalkDir(w.path("out"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(name)
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("%s has what is on this machine", name)
		}
		return err
	}))
}

// listing is what a directory holds, with times of change.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out[name] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
