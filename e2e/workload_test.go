//go:build e2e && linux

package e2e

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/lathe-build/lathe/e2e/container"
	"github.com/lathe-build/lathe/internal/debimage"
)

// probe is a URL path and what its answer must hold.
type probe struct {
	path, want string
	status     int // 0 means 200
}

// workload is an example with how it is probed.
type workload struct {
	example string
	program string // what the importer takes for the start of the container
	port    int
	plain   []probe // what the profile sees
	deep    []probe // what it never saw

	once  sync.Once
	image string // OCI layout of the original
	log   string // of strace
	err   error
}

var nginx = workload{
	example: "nginx", program: "/usr/sbin/nginx", port: 8080,
	plain: []probe{{path: "/", want: "It serves."}},
	deep: []probe{
		{path: "/about.html", want: "Still here."},
		{path: "/style.css", want: "max-width"},
		{path: "/nothing", want: "404 Not Found", status: 404},
	},
}

var python = workload{
	example: "python", program: "/usr/bin/python3", port: 8000,
	plain: []probe{
		{path: "/", want: "It serves."},
		{path: "/time?zone=Europe/Berlin", want: "2025-07-01T14:00:00+02:00"},
	},
	deep: []probe{
		{path: "/time?zone=America/Sao_Paulo", want: "2025-07-01T09:00:00-03:00"},
		{path: "/time?zone=Asia/Kolkata", want: "2025-07-01T17:30:00+05:30"},
		{path: "/module?name=sqlite3", want: "sqlite3"},
		{path: "/module?name=xml.dom.minidom", want: "xml.dom.minidom"},
		{path: "/module?name=decimal", want: "decimal"},
		{path: "/module?name=ctypes", want: "ctypes"},
		{path: "/module?name=lzma", want: "lzma"},
		{path: "/tls", want: "OpenSSL"},
		{path: "/locale?name=C.UTF-8", want: "C.UTF-8"},
		{path: "/modules", want: `"failed"`},
	},
}

var goserver = workload{
	example: "goserver", program: "/usr/local/bin/server", port: 8080,
	plain: []probe{{path: "/", want: "It serves."}},
	deep: []probe{
		{path: "/file?name=passwd", want: "/etc/passwd"},
		{path: "/file?name=os-release", want: "/etc/os-release"},
		{path: "/file?name=nothing", want: "no such file", status: 404},
	},
}

func workloads() []*workload { return []*workload{&nginx, &python, &goserver} }

// prepare builds the image and records it, once.
func (w *workload) prepare(t *testing.T) {
	t.Helper()
	w.once.Do(func() { w.build(t); w.record(t) })
	if w.err != nil {
		t.Fatal(w.err)
	}
}

func (w *workload) dir() string { return filepath.Join(repository, "examples", w.example) }

func (w *workload) build(t *testing.T) {
	w.image = filepath.Join(shared.dir, w.example)
	w.err = buildExample(t, w.dir(), w.image, debimage.FindAlpine(repository))
}

// buildExample builds the image of an example with the cache of the checkout.
func buildExample(t *testing.T, dir, to, alpine string) error {
	recipe, err := debimage.ReadRecipe(os.DirFS(dir))
	if err != nil {
		return err
	}
	builder := debimage.Builder{
		Cache: filepath.Join(repository, ".build", "cache"), AlpineRoot: alpine,
		Note: func(text string) { t.Log(text) },
	}
	img, err := builder.Build(t.Context(), dir, recipe)
	if err != nil {
		return err
	}
	return debimage.WriteLayout(img, to)
}

func (w *workload) record(t *testing.T) {
	if w.err != nil {
		return
	}
	w.log = w.image + ".strace"
	dir := w.image + ".recorded"
	bundle, err := container.Unpack(t.Context(), w.image, debimage.Tag, dir)
	if err != nil {
		w.err = err
		return
	}
	var paths []string
	for _, p := range w.plain {
		paths = append(paths, p.path)
	}
	if w.err = container.RecordGets(t.Context(), bundle, w.log, w.port, paths); w.err == nil {
		w.err = os.RemoveAll(dir)
	}
}

// profile imports the recorded log.
func (w *workload) profile(t *testing.T) string {
	t.Helper()
	w.prepare(t)
	name := filepath.Join(t.TempDir(), "profile.json")
	lathe(t, "profile", "import", "--from", "strace", "--complete", "--name", w.example, "--image", "oci:"+w.image,
		"--entrypoint", w.program, "-o", name, w.log)
	return name
}

// unpack unpacks the image of a layout.
func unpack(t *testing.T, layout string) *container.Bundle {
	t.Helper()
	bundle, err := container.Unpack(t.Context(), layout, debimage.Tag, filepath.Join(t.TempDir(), "bundle"))
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

// answers runs the bundle and returns what each probe answers, checked.
func (w *workload) answers(t *testing.T, bundle *container.Bundle) map[string]container.Answer {
	t.Helper()
	ctx := t.Context()
	name := "lathe-e2e-" + strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()) + "-" + filepath.Base(shared.dir)
	c, err := container.Start(ctx, bundle, name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	if err := c.Ready(ctx, w.port); err != nil {
		t.Fatal(err)
	}
	out := map[string]container.Answer{}
	for _, p := range append(append([]probe{}, w.plain...), w.deep...) {
		answer, err := c.Get(ctx, w.port, p.path)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status != cmp.Or(p.status, 200) {
			t.Errorf("%s: status %d: %s", p.path, answer.Status, answer.Body)
		}
		if !strings.Contains(answer.Body, p.want) {
			t.Errorf("%s: want %q in the answer: %s", p.path, p.want, answer.Body)
		}
		out[p.path] = answer
	}
	return out
}
