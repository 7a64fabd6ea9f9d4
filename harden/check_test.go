package harden_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
)

// entry is one entry of an archive with its content.
type entry struct {
	*tar.Header
	body []byte
}

// remade is an image whose single layer has the entries of another, changed.
func remade(t *testing.T, img v1.Image, conf v1.Config, change func([]entry) []entry) *layers.Tree {
	t.Helper()
	list, err := img.Layers()
	if err != nil || len(list) != 1 {
		t.Fatalf("%d layers, %v", len(list), err)
	}
	r, err := list[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	var all []entry
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{h, body})
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range change(all) {
		e.Format, e.Size = tar.FormatPAX, int64(len(e.body))
		if err := w.WriteHeader(e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := testimage.FromTars([][]byte{buf.Bytes()}, conf)
	if err != nil {
		t.Fatal(err)
	}
	return reopen(t, out)
}

// one changes the entry of one name.
func one(name string, change func(*entry)) func([]entry) []entry {
	return func(all []entry) []entry {
		for i := range all {
			if strings.Trim(all[i].Name, "/") == name {
				change(&all[i])
			}
		}
		return all
	}
}

func without(name string) func([]entry) []entry {
	return func(all []entry) []entry {
		return slices.DeleteFunc(all, func(e entry) bool { return strings.Trim(e.Name, "/") == name })
	}
}

func with(e entry) func([]entry) []entry {
	return func(all []entry) []entry { return append(all, e) }
}

// TestCheckOutputNotices changes a result in one place at a time: every promise
// about what was written is looked at, and each change is told.
func TestCheckOutputNotices(t *testing.T) {
	t.Parallel()
	text := strings.Replace(debianText(), "\n---\n", "\n", 1) + "link srv/link -> page\nfifo srv/pipe\nhard srv/mate -> srv/page\n"
	conf := v1.Config{
		Entrypoint: []string{"/usr/local/bin/start"}, Cmd: []string{"/usr/bin/server"},
		Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "serverctl", "ping"}},
	}
	tr := tree(t, text, conf)
	pl := newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{})
	res, err := harden.Apply(t.Context(), tr, pl)
	if err != nil {
		t.Fatal(err)
	}
	same := func(all []entry) []entry { return all }
	check := func(conf v1.Config, change func([]entry) []entry) []string {
		got, err := harden.CheckOutput(t.Context(), remade(t, res.Image, conf, change), pl)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := check(conf, same); len(got) > 0 {
		t.Fatalf("without a change: %v", got)
	}
	moved := conf
	moved.Healthcheck = &v1.HealthConfig{Test: []string{"CMD", "curl", "http://localhost"}}
	shell := conf
	shell.Healthcheck = &v1.HealthConfig{Test: []string{"CMD-SHELL", "serverctl"}}
	shell.Shell = []string{"/bin/bash", "-c"}
	for what, tc := range map[string]struct {
		conf   v1.Config
		change func([]entry) []entry
		want   string
	}{
		"content":             {conf, one("srv/page", func(e *entry) { e.body = []byte("jello") }), "content"},
		"length":              {conf, one("srv/page", func(e *entry) { e.body = []byte("hello!") }), "content"},
		"mode":                {conf, one("srv/page", func(e *entry) { e.Mode = 0o666 }), "plan says"},
		"setuid":              {conf, one("usr/bin/server", func(e *entry) { e.Mode |= 0o4000 }), "plan says"},
		"owner":               {conf, one("srv/page", func(e *entry) { e.Uid = 7 }), "plan says"},
		"group":               {conf, one("srv/page", func(e *entry) { e.Gid = 7 }), "plan says"},
		"time":                {conf, one("srv/page", func(e *entry) { e.ModTime = e.ModTime.Add(time.Nanosecond) }), "plan says"},
		"extended attribute":  {conf, one("srv/page", func(e *entry) { e.PAXRecords = map[string]string{"SCHILY.xattr.user.a": "b"} }), "plan says"},
		"file capability":     {conf, one("usr/bin/server", func(e *entry) { e.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "all"} }), "plan says"},
		"mode of a directory": {conf, one("etc", func(e *entry) { e.Mode = 0o777 }), "plan says"},
		"target of a link":    {conf, one("srv/link", func(e *entry) { e.Linkname = "other" }), "plan says"},
		"type": {conf, one("srv/pipe", func(e *entry) {
			e.Typeflag, e.Devmajor, e.Devminor = tar.TypeChar, 1, 3
		}), "the plan says fifo"},
		"hard link to another file": {conf, one("srv/mate", func(e *entry) { e.Linkname = "etc/passwd" }), "content"},
		"missing":                   {conf, without("srv/pipe"), "is missing"},
		"a dropped path":            {conf, with(entry{&tar.Header{Name: "usr/bin/curl", Mode: 0o755}, []byte("x")}), "not in the plan"},
		"a path of nobody's":        {conf, with(entry{&tar.Header{Name: "srv/new", Mode: 0o644}, nil}), "not in the plan"},
		"a whiteout":                {conf, with(entry{&tar.Header{Name: "srv/.wh.gone", Mode: 0o644}, nil}), "not in the plan"},
		"bytes below another entry": {conf, with(entry{&tar.Header{Name: "srv/page", Mode: 0o644}, []byte("hidden")}), "srv/page"},
		"healthcheck":               {moved, same, `the config's healthcheck "curl" is not in the image`},
		"shell of the healthcheck":  {shell, same, `the config's healthcheck "/bin/bash" is not in the image`},
		"interpreter":               {conf, without("usr/bin/dash"), "the config's entrypoint"},
		"library":                   {conf, without("usr/lib/libc.so.6"), `"libc.so.6", which is not in the image`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			got := check(tc.conf, tc.change)
			if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, tc.want) }) {
				t.Errorf("got %q, want one with %q", got, tc.want)
			}
		})
	}
}
