package debimage

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// archiveOf writes a tar archive of lines such as "dir d", "dir/f file text",
// "dir/l link -> f" and "dir/h hard = dir/f".
func archiveOf(t *testing.T, lines ...string) string {
	t.Helper()
	var data bytes.Buffer
	w := tar.NewWriter(&data)
	for _, line := range lines {
		fields := strings.Fields(line)
		h := &tar.Header{Name: "./" + fields[0], Mode: 0o644, ModTime: time.Unix(Epoch, 500), Uname: "somebody", Format: tar.FormatPAX}
		var content string
		switch fields[1] {
		case "dir":
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
			if len(fields) > 2 {
				h.ModTime = h.ModTime.Add(time.Hour)
			}
		case "file":
			h.Typeflag, content = tar.TypeReg, strings.Join(fields[2:], " ")
			h.Size = int64(len(content))
		case "link":
			h.Typeflag, h.Linkname = tar.TypeSymlink, fields[3]
		case "hard":
			h.Typeflag, h.Linkname = tar.TypeLink, "./"+fields[3]
		case "node":
			h.Typeflag = tar.TypeChar
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "archive.tar")
	if err := os.WriteFile(name, data.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// layerNames returns the entries of a layer in their order.
func layerNames(t *testing.T, layer string) []string {
	t.Helper()
	var names []string
	err := readArchive(t.Context(), layer, func(h *tar.Header, _ io.Reader) error {
		names = append(names, h.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWriteDifference(t *testing.T) {
	t.Parallel()
	base := []string{"a dir", "a/f file one", "a/g hard = a/f", "a/l link -> f", "b dir", "b/x file x", "b/y file y"}
	tests := []struct {
		name  string
		upper []string
		want  []string
	}{
		{"nothing", base, nil},
		{"only the time of a directory", []string{"a dir later", "a/f file one", "a/g hard = a/f", "a/l link -> f", "b dir", "b/x file x", "b/y file y"}, nil},
		{"a new file brings its parents", append([]string{"n dir", "n/m dir", "n/m/f file new"}, base...), []string{"n", "n/m", "n/m/f"}},
		{"a changed file brings its other names", []string{"a dir", "a/f file two", "a/g hard = a/f", "a/l link -> f", "b dir", "b/x file x", "b/y file y"}, []string{"a", "a/f", "a/g"}},
		{"a new name brings the file", append(append([]string{}, base...), "b/z hard = a/f"), []string{"a", "a/f", "a/g", "b", "b/z"}},
		{"a link that leads elsewhere", []string{"a dir", "a/f file one", "a/g hard = a/f", "a/l link -> g", "b dir", "b/x file x", "b/y file y"}, []string{"a", "a/l"}},
		{"a file that is gone", []string{"a dir", "a/f file one", "a/g hard = a/f", "a/l link -> f", "b dir", "b/x file x"}, []string{"b/.wh.y"}},
		{"a directory that is gone has one whiteout", []string{"a dir", "a/f file one", "a/g hard = a/f", "a/l link -> f"}, []string{".wh.b"}},
		{"a file in place of a directory", []string{"a dir", "a/f file one", "a/g hard = a/f", "a/l link -> f", "b file b"}, []string{"b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			layer := filepath.Join(t.TempDir(), "layer.tar.gz")
			err := writeDifference(t.Context(), archiveOf(t, base...), archiveOf(t, test.upper...), layer, time.Unix(Epoch, 0))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, layerNames(t, layer)); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWriteBase leaves out what differs between hosts, and writes the same
// bytes each time.
func TestWriteBase(t *testing.T) {
	t.Parallel()
	archive := archiveOf(t, "dev dir", "dev/null node", "dev/fd link -> /proc/self/fd", "etc dir", "etc/f file text", "sock node")
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1.tar.gz"), filepath.Join(dir, "2.tar.gz")
	for _, layer := range []string{first, second} {
		if err := writeBase(t.Context(), archive, layer); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"dev", "etc", "etc/f"}, layerNames(t, first)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	one, two := readFile(t, first), readFile(t, second)
	if !bytes.Equal(one, two) {
		t.Error("two runs wrote different bytes")
	}
	err := readArchive(t.Context(), first, func(h *tar.Header, _ io.Reader) error {
		if h.Uname != "" || h.ModTime.Nanosecond() != 0 {
			t.Errorf("%s: user %q, time %s", h.Name, h.Uname, h.ModTime)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestWriteFiles(t *testing.T) {
	t.Parallel()
	root := textFS(map[string]string{"srv/www/index.html": "text", "usr/bin/run": "#!"})
	root["usr/bin/run"].Mode = 0o700
	layer := filepath.Join(t.TempDir(), "layer.tar.gz")
	if err := writeFiles(root, layer, time.Unix(Epoch, 0)); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	err := readArchive(t.Context(), layer, func(h *tar.Header, _ io.Reader) error {
		got[h.Name] = h.Mode
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{"srv": 0o755, "srv/www": 0o755, "srv/www/index.html": 0o644, "usr": 0o755, "usr/bin": 0o755, "usr/bin/run": 0o755}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("modes (-want +got):\n%s", diff)
	}
}

// TestBrokenArchive leaves nothing behind.
func TestBrokenArchive(t *testing.T) {
	t.Parallel()
	archive := archiveOf(t, "a file "+strings.Repeat("x", 8<<10))
	if err := os.Truncate(archive, 4<<10); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := writeBase(t.Context(), archive, filepath.Join(dir, "layer.tar.gz")); err == nil {
		t.Error("no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
