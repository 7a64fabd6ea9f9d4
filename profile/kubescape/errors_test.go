package kubescape

import (
	"strings"
	"testing"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

const head = "apiVersion: spdx.softwarecomposition.kubescape.io/v1beta1\n"

func TestErrors(t *testing.T) {
	t.Parallel()
	digest := func(c string) string { return "sha256:" + strings.Repeat(c, 64) }
	twoImages := func(a, b string) string {
		one := func(name, id string) string {
			return head + "kind: ContainerProfile\nmetadata: {name: " + name + ", labels: {kubescape.io/workload-container-name: web}}\nspec: {imageID: web@" + id + "}\n"
		}
		return one("first", a) + "---\n" + one("second", b)
	}
	for name, test := range map[string]struct {
		text string
		opts foreign.Options
		want []string
	}{
		"a wrong type": {
			text: head + "kind: ApplicationProfile\nspec: {containers: [{name: web, execs: [{path: 7}]}]}\n",
			want: []string{`"objects.yaml", line 1: /spec/containers/0/execs/0/path: a number does not fit`},
		},
		"a list that is none":    {text: head + "kind: ApplicationProfile\nspec: {containers: web}\n", want: []string{"/spec/containers: a string"}},
		"another kind":           {text: head + "kind: GeneratedNetworkPolicy\n", want: []string{`"GeneratedNetworkPolicy"`}},
		"another kind in a list": {text: "kind: List\nitems: [{kind: Pod}]\n", want: []string{"line 1", `"Pod"`}},
		"no container":           {text: head + "kind: ApplicationProfile\nspec: {}\n", want: []string{"no container's evidence"}},
		"several containers": {
			text: head + "kind: ApplicationProfile\nspec: {containers: [{name: web}, {name: log}], initContainers: [{name: set}]}\n",
			want: []string{`"log" "web" "set"`, "--container"},
		},
		"only an init container": {text: head + "kind: ApplicationProfile\nspec: {initContainers: [{name: set}]}\n", want: []string{`"set"`}},
		"no such container": {
			text: head + "kind: ApplicationProfile\nspec: {containers: [{name: web}]}\n", opts: foreign.Options{Container: "db"}, want: []string{`no evidence of a container "db"`, `"web"`},
		},
		"two images": {
			text: twoImages(digest("a"), digest("b")), want: []string{`"first"`, `"second"`, digest("a"), digest("b"), "import them apart"},
		},
		"peers without end": {
			text: head + "kind: ContainerProfile\nspec: {egress: [{ipAddresses: [" + strings.Repeat("192.0.2.1,", 1200) + "], ports: [" + strings.Repeat("{protocol: TCP, port: 1},", 1200) + "]}]}\n",
			want: []string{"more than 1000000 pairs"},
		},
		"another image": {
			text: twoImages(digest("a"), digest("a")), opts: foreign.Options{Image: profile.Image{Digest: digest("c")}},
			want: []string{`"first"`, digest("a"), digest("c")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := read("objects.yaml", []byte(test.text), test.opts)
			if err == nil {
				t.Fatal("it is accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in the error %q", want, err)
				}
			}
		})
	}
}

// TestAbsentOpensAreMissing is the trap of opens: what failed is not marked, so
// what the image does not have was asked for in vain.
func TestAbsentOpensAreMissing(t *testing.T) {
	t.Parallel()
	p := mustRead(t, head+`kind: ApplicationProfile
spec: {containers: [{name: web, opens: [{path: /etc/there, flags: [O_RDONLY]}, {path: /etc/ld.so.preload, flags: [O_RDONLY]}]}]}
`, foreign.Options{})
	bound, absent, err := profile.Bind(p, profile.Root{Resolve: func(path string) (string, []string, bool) { return path, nil, path == "/etc/there" }})
	if err != nil {
		t.Fatal(err)
	}
	if len(bound.Files) != 1 || len(bound.Missing) != 1 || bound.Missing[0].Path != "/etc/ld.so.preload" {
		t.Errorf("files %v, missing %v", bound.Files, bound.Missing)
	}
	if len(absent) != 1 || !absent[0].Moved {
		t.Errorf("absent: %v", absent)
	}
}

// TestCompleteness is what annotations and the user's word make of a source.
func TestCompleteness(t *testing.T) {
	t.Parallel()
	object := func(notes string) string {
		return head + "kind: ContainerProfile\nmetadata: {name: web, annotations: {" + notes + "}}\nspec: {}\n"
	}
	for name, test := range map[string]struct {
		notes         string
		vouch         bool
		says, decides bool
		kind          string
	}{
		"complete":               {"kubescape.io/completion: complete, kubescape.io/status: completed", false, true, false, profile.KindObserved},
		"complete, vouched":      {"kubescape.io/completion: complete", true, true, true, profile.KindObserved},
		"partial, vouched":       {"kubescape.io/completion: partial", true, false, false, profile.KindObserved},
		"too large, vouched":     {"kubescape.io/completion: complete, kubescape.io/status: too-large", true, false, false, profile.KindObserved},
		"initializing, vouched":  {"kubescape.io/status: initializing", true, false, false, profile.KindObserved},
		"written by hand":        {"", false, false, false, profile.KindDeclared},
		"without word, vouched":  {"", true, true, true, profile.KindObserved},
		"a later report":         {`kubescape.io/completion: complete, kubescape.io/previous-report-timestamp: "2026-11-21 10:31:11 +0000 UTC"`, false, false, false, profile.KindObserved},
		"a later report vouched": {`kubescape.io/completion: complete, kubescape.io/previous-report-timestamp: "2026-11-21 10:31:11 +0000 UTC"`, true, true, true, profile.KindObserved},
	} {
		s := mustRead(t, object(test.notes), foreign.Options{Complete: test.vouch}).Sources[0]
		if s.Complete != test.says || s.IsComplete() != test.decides || s.Kind != test.kind {
			t.Errorf("%s: complete %v, counts as complete %v, %s", name, s.Complete, s.IsComplete(), s.Kind)
		}
	}
}

func TestImageForms(t *testing.T) {
	t.Parallel()
	sum := "sha256:" + strings.Repeat("a", 64)
	for id, want := range map[string]string{
		"registry.example.com/web@" + sum: "digest",
		"docker-pullable://web@" + sum:    "digest",
		"docker://" + sum:                 "config",
		sum:                               "config",
		"docker.io/library/web:1":         "ref",
		"":                                "none",
		"{{ .Values.image }}":             "none",
		"web@sha256:short":                "ref",
	} {
		p := mustRead(t, head+"kind: ContainerProfile\nspec: {imageID: '"+id+"'}\n", foreign.Options{})
		got := "none"
		if len(p.Images) == 1 {
			switch i := p.Images[0]; {
			case i.Digest == sum:
				got = "digest"
			case len(i.ConfigDigest) == 1:
				got = "config"
			case len(i.Refs) == 1:
				got = "ref"
			}
		}
		if got != want {
			t.Errorf("%q is %s, want %s", id, got, want)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"kind":"ContainerProfile","spec":{"execs":[{"path":"./⋯","args":["*"]}],"opens":[{"path":"/a/⋯/*"}]}}`))
	f.Add([]byte(`{"kind":"List","items":[{"kind":"NetworkNeighborhood","spec":{"containers":[{"egress":[{"ipAddresses":["*"],"ports":[{"protocol":"TCP","port":1}]}]}]}}]}`))
	f.Add([]byte(`{"Spec":{"ImageID":"a@sha256:b","Capabilities":["CAP_X"],"Syscalls":["x"]},"annotations":{"kubescape.io/report-timestamp":"2026-11-21 10:31:41 +0000 UTC m=+1"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := read("fuzz", data, foreign.Options{})
		if err != nil {
			return
		}
		if _, err := p.Canonical(); err != nil {
			t.Fatalf("a profile that has no canonical form: %v", err)
		}
	})
}
