package layers_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/internal/applier"
	"github.com/lathe-build/lathe/internal/oddimage"
	"github.com/lathe-build/lathe/layers"
)

// TestOddImages takes every odd image through a rewrite that drops what is
// unused and one that drops nothing. An independent applier must find what it
// found in the input, less what was dropped, and again after a second rewrite.
func TestOddImages(t *testing.T) {
	t.Parallel()
	cases, err := oddimage.Cases()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		for name, drop := range map[string]func(string) bool{
			"drop": oddimage.Dropped, "keep": func(string) bool { return false },
		} {
			t.Run(c.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				img, err := c.Image()
				if err != nil {
					t.Fatal(err)
				}
				before, err := applier.Image(img, applier.Options{Late: c.Late})
				if err != nil {
					t.Fatal(err)
				}
				tree := openImage(t, img)
				res := rewriteAny(t, tree, func(e layers.Entry) bool { return clean(e) || !e.Type.Marker() && drop(e.Path) })
				after, err := applier.Image(res.Image, applier.Options{})
				if err != nil {
					t.Fatal(err)
				}
				none := func(string) bool { return false }
				if diff := cmp.Diff(before.Describe(drop), after.Describe(none)); diff != "" {
					t.Errorf("root (-want +got):\n%s", diff)
				}
				again := openImage(t, res.Image)
				for e := range again.Entries() {
					if e.Shadowed || !e.Type.Marker() && drop(e.Path) {
						t.Errorf("%s %q is still in layer %d", e.Type, e.Path, e.Layer)
					}
				}
				second := rewriteAny(t, again, clean)
				if digestOf(t, res.Image) != digestOf(t, second.Image) {
					t.Error("a second rewrite changes the image")
				}
			})
		}
	}
}

func digestOf(t *testing.T, img interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// rewriteAny rewrites images of any compression, which validate.Image cannot read.
func rewriteAny(t *testing.T, tree *layers.Tree, drop func(layers.Entry) bool) *layers.Result {
	t.Helper()
	res, err := layers.Rewrite(t.Context(), tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: drop(e)} })
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestTablesOfContents keeps what describes a layer's bytes with the bytes, and
// no longer.
func TestTablesOfContents(t *testing.T) {
	t.Parallel()
	cases, err := oddimage.Cases()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, c := range cases {
		notes := c.Layers[0].Annotations
		if notes == nil {
			continue
		}
		img, err := c.Image()
		if err != nil {
			t.Fatal(err)
		}
		seen++
		res := rewriteAny(t, openImage(t, img), func(e layers.Entry) bool { return oddimage.Dropped(e.Path) })
		m, err := res.Image.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"org.example.note": "stays"}
		if !res.Layers[1].Rewritten {
			want = notes
		}
		if diff := cmp.Diff(want, m.Layers[1].Annotations); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.Name, diff)
		}
	}
	if seen != 4 {
		t.Errorf("%d cases have annotations, want 4", seen)
	}
}

// TestRefusedImages refuses every image of the table of those that must be.
func TestRefusedImages(t *testing.T) {
	t.Parallel()
	cases, err := oddimage.Refused()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			img, err := c.Image()
			if err != nil {
				t.Fatal(err)
			}
			tree, err := layers.Open(t.Context(), img, t.TempDir(), layers.WithLimits(limitsOf(t, c.Flags)))
			if err == nil {
				t.Fatalf("taken: %s, closing: %v", paths(tree), tree.Close())
			}
			if !strings.Contains(err.Error(), c.Want) {
				t.Errorf("got %v, want an error with %q", err, c.Want)
			}
		})
	}
}

// limitsOf reads the flags of a refusal.
func limitsOf(t *testing.T, flags []string) layers.Limits {
	t.Helper()
	var l layers.Limits
	if len(flags) == 0 {
		return l
	}
	n, err := strconv.Atoi(flags[1])
	if err != nil {
		t.Fatal(err)
	}
	switch flags[0] {
	case "--limit-expanded":
		l.Expanded = int64(n)
	case "--limit-entries":
		l.Entries = n
	case "--limit-layers":
		l.Layers = n
	default:
		t.Fatalf("unknown limit %s", flags[0])
	}
	return l
}

// TestConfigFields changes of a config what a rewrite must change, and nothing
// else: fields that nobody here knows stay, with their bytes.
func TestConfigFields(t *testing.T) {
	t.Parallel()
	_, img := open(t, "file a\nfile b\n---\nfile c")
	raw, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	const more = `"moby.buildkit.buildinfo.v1":"e30=","x-vendor":{"b":1.0,"a":[1e3,null,"<&>"]},"docker_version":"20.10","author":"me",`
	const run = `"Healthcheck":{"Test":["CMD-SHELL","true"],"StartInterval":5},"OnBuild":["RUN x"],"Shell":["/bin/sh","-c"],"ArgsEscaped":true,"StopSignal":"SIGQUIT","X-Unknown":{"z":0}`
	text := strings.Replace(string(raw), `"config":{`, more+`"config":{`+run+",", 1)
	text = strings.Replace(text, ",}", "}", 1)
	tree := openImage(t, patched{img, []byte(text)})
	res := rewrite(t, tree, func(e layers.Entry) layers.Edit { return layers.Edit{Drop: e.Path == "a"} })
	got, err := res.Image.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	before, after := fields(t, []byte(text)), fields(t, got)
	for _, name := range []string{"rootfs", "history"} {
		if before[name] == "" || after[name] == "" {
			t.Errorf("there is no %s", name)
		}
		delete(before, name)
		delete(after, name)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if len(after) < 8 {
		t.Errorf("only %d fields", len(after))
	}
}

// fields are the members of a document as they are written.
func fields(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for k, v := range doc {
		out[k] = string(v)
	}
	return out
}
