//go:build e2e && linux

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"golang.org/x/sys/unix"

	"github.com/lathe-build/lathe/e2e/live"
	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/internal/applier"
	"github.com/lathe-build/lathe/internal/oddimage"
	"github.com/lathe-build/lathe/record/sandbox"
)

// program is what the odd images run here.
const program = `package main

import "os"

func main() { _, _ = os.Stdout.WriteString("it runs\n") }
`

// TestOddImagesConform hardens the images of the table. What umoci unpacks of
// the result must be what the applier of the tests finds in the source, and a
// runtime must start it.
func TestOddImagesConform(t *testing.T) {
	app := buildProgram(t)
	cases, err := oddimage.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.NotUmoci != "" {
				t.Skipf("umoci cannot unpack it: %s", c.NotUmoci)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c.Program = app
			img, err := c.Image()
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			source := filepath.Join(dir, "odd")
			path, err := layout.Write(source, empty.Index)
			if err != nil {
				t.Fatal(err)
			}
			if err := path.AppendImage(img); err != nil {
				t.Fatal(err)
			}
			digest, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			profile, out := filepath.Join(dir, "profile.json"), filepath.Join(dir, "out")
			if err := os.WriteFile(profile, oddimage.Profile(digest), 0o600); err != nil {
				t.Fatal(err)
			}
			lathe(t, "harden", "oci:"+source, "-p", profile, "-o", out, "--drop", "/**/*"+oddimage.Unused+"*", "--compression", "gzip", "--key", shared.key)
			lathe(t, "verify", out, "--key", shared.public, "--source", "oci:"+source)
			before, err := applier.Image(img, applier.Options{Late: c.Late})
			if err != nil {
				t.Fatal(err)
			}
			bundle := filepath.Join(dir, "bundle")
			if r := run("", nil, "umoci", "unpack", "--image", plain(ctx, t, filepath.Join(out, "image"))+":latest", bundle); r.code != 0 {
				t.Fatalf("umoci unpack: %s", r.stderr)
			}
			want := before.Describe(oddimage.Dropped)
			if diff := cmp.Diff(want, describe(t, filepath.Join(bundle, "rootfs"), want)); diff != "" {
				t.Errorf("root (-want +got):\n%s", diff)
			}
			if c.OwnProgram {
				return
			}
			checkRuns(ctx, t, filepath.Join(out, "image"))
		})
	}
}

func buildProgram(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	source, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "app")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", out, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GO111MODULE=off")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	raw, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// plain gives a layout that umoci can read: it knows no zstd, so skopeo, which
// does, copies such an image with gzip.
func plain(ctx context.Context, t *testing.T, dir string) string {
	t.Helper()
	l, err := image.ReadLayout(ctx, dir, image.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m, err := l.Entries[0].Image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	zstd := false
	for _, layer := range m.Layers {
		zstd = zstd || strings.HasSuffix(string(layer.MediaType), "+zstd")
	}
	if !zstd {
		return dir
	}
	files, copied := filepath.Join(t.TempDir(), "files"), filepath.Join(t.TempDir(), "copied")
	for _, args := range [][]string{
		{"--dest-decompress", "oci:" + dir + ":latest", "dir:" + files},
		{"dir:" + files, "oci:" + copied + ":latest"},
	} {
		if r := run("", nil, "skopeo", append([]string{"--insecure-policy", "copy", "-q"}, args...)...); r.code != 0 {
			t.Fatalf("skopeo %s: %s", args, r.stderr)
		}
	}
	return copied
}

// describe says what is in a directory, in the words of the applier. Directories
// that only the directory has are left out, as there.
func describe(t *testing.T, root string, want map[string]string) map[string]string {
	t.Helper()
	first := map[uint64]string{}
	out := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		p := strings.TrimPrefix(name, root+"/")
		if _, ok := want[p]; !ok && d.IsDir() {
			return nil
		}
		text, inode, err := describeOne(name)
		if err != nil {
			return err
		}
		if was, ok := first[inode]; ok && !d.IsDir() {
			text += " = " + was
		} else {
			first[inode] = p
		}
		out[p] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func describeOne(name string) (string, uint64, error) {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return "", 0, err
	}
	kinds := map[uint32]byte{unix.S_IFREG: '0', unix.S_IFLNK: '2', unix.S_IFCHR: '3', unix.S_IFBLK: '4', unix.S_IFDIR: '5', unix.S_IFIFO: '6'}
	kind := kinds[st.Mode&unix.S_IFMT]
	text := fmt.Sprintf("%c %o %d:%d %d.%09d", kind, st.Mode&0o7777, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
	switch kind {
	case '0':
		raw, err := os.ReadFile(name)
		if err != nil {
			return "", 0, err
		}
		sum := sha256.Sum256(raw)
		text += fmt.Sprintf(" %d bytes %s", len(raw), hex.EncodeToString(sum[:]))
	case '2':
		target, err := os.Readlink(name)
		if err != nil {
			return "", 0, err
		}
		text += " -> " + target
	case '3', '4':
		text += fmt.Sprintf(" %d,%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	notes, err := attributes(name)
	return strings.TrimSpace(text + " " + strings.Join(notes, " ")), st.Ino, err
}

func attributes(name string) ([]string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(name, buf)
	if errors.Is(err, syscall.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var notes []string
	for key := range strings.SplitSeq(strings.Trim(string(buf[:n]), "\x00"), "\x00") {
		if key == "" || strings.HasPrefix(key, "user.rootlesscontainers") {
			continue
		}
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(name, key, value)
		if err != nil {
			return nil, err
		}
		notes = append(notes, fmt.Sprintf("%s=%x", key, value[:n]))
	}
	slices.Sort(notes)
	return notes, nil
}

// checkRuns starts the image of a layout and waits for its output.
func checkRuns(ctx context.Context, t *testing.T, layout string) {
	t.Helper()
	i, err := live.Open(ctx, layout)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	}()
	store, err := i.Box.NewStore()
	if err != nil {
		t.Fatal(err)
	}
	c, err := i.Box.Start(ctx, store, sandbox.Options{Network: sandbox.Network{Mode: sandbox.NetworkNone}})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Ended():
	case <-ctx.Done():
	}
	if _, err := c.Stop(ctx); err != nil {
		t.Error(err)
	}
	if c.ExitCode() != 0 || c.Logs() != "it runs\n" {
		t.Errorf("running it: %q, code %d", c.Logs(), c.ExitCode())
	}
}
