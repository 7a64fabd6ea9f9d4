package manifest

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

var update = flag.Bool("update", false, "write the golden files")

func importText(text string, opts foreign.Options) (*profile.Profile, error) {
	in, err := foreign.Open("deploy.yaml", strings.NewReader(text))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return importObjects(context.Background(), []*foreign.Input{in}, opts)
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	p, err := importText(read(t, "deploy.yaml"), foreign.Options{
		Path: "/usr/bin:/bin", Image: profile.Image{Refs: []string{"registry.example.com/shop:1.4"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "deploy.yaml.profile")
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, "deploy.yaml.profile"), string(got)); diff != "" {
		t.Error(diff)
	}
}

// TestKinds wraps one container in every kind that holds one.
func TestKinds(t *testing.T) {
	t.Parallel()
	pod := `{containers: [{name: web, command: [/web]}]}`
	template := `{metadata: {labels: {app: web}}, spec: ` + pod + `}`
	for _, test := range []struct{ kind, spec, labels string }{
		{"Pod", pod, "top"},
		{"Deployment", `{selector: {matchLabels: {app: chosen}}, template: ` + template + `}`, "chosen"},
		{"StatefulSet", `{template: ` + template + `}`, "web"},
		{"DaemonSet", `{template: ` + template + `}`, "web"},
		{"ReplicaSet", `{template: ` + template + `}`, "web"},
		{"ReplicationController", `{selector: {app: web}, template: ` + template + `}`, "web"},
		{"Job", `{template: ` + template + `}`, "web"},
		{"CronJob", `{jobTemplate: {spec: {template: ` + template + `}}}`, "web"},
	} {
		text := "kind: " + test.kind + "\nmetadata: {name: w, namespace: prod, labels: {app: top}}\nspec: " + test.spec + "\n"
		p, err := importText(text, foreign.Options{})
		if err != nil {
			t.Errorf("%s: %v", test.kind, err)
			continue
		}
		w := profile.Workload{Namespace: "prod", Kind: test.kind, Name: "w", Labels: map[string]string{"app": test.labels}}
		if diff := cmp.Diff(w, p.Sources[0].Subject.Workload); diff != "" {
			t.Errorf("%s:\n%s", test.kind, diff)
		}
		if len(p.Executables) != 1 || p.Executables[0].Path != "/web" || p.Complete() {
			t.Errorf("%s: %+v", test.kind, p.Executables)
		}
	}
}

func TestChoice(t *testing.T) {
	t.Parallel()
	text := `kind: Pod
metadata: {name: p}
spec:
  initContainers: [{name: set, image: "set:1", command: [/set]}]
  containers:
  - {name: web, image: "docker.io/library/nginx:1.27", command: [/web]}
  - {name: old, image: "nginx:1.25", command: [/old]}
  - {name: pinned, image: "example.com:5000/a/b@sha256:` + strings.Repeat("a", 64) + `", command: [/pinned]}
`
	digest := "sha256:" + strings.Repeat("a", 64)
	for name, test := range map[string]struct {
		container string
		image     profile.Image
		want      string
	}{
		"by name":              {"old", profile.Image{}, "/old"},
		"an init container":    {"set", profile.Image{}, "/set"},
		"by tag":               {"", profile.Image{Refs: []string{"nginx:1.27"}}, "/web"},
		"by digest":            {"", profile.Image{Digest: digest}, "/pinned"},
		"by the index":         {"", profile.Image{IndexDigest: []string{digest}}, "/pinned"},
		"by repository":        {"", profile.Image{Refs: []string{"example.com:5000/a/b:3"}}, "/pinned"},
		"name before image":    {"old", profile.Image{Digest: digest}, "/old"},
		"an init one by image": {"", profile.Image{Refs: []string{"set:1"}}, "/set"},
	} {
		p, err := importText(text, foreign.Options{Container: test.container, Image: test.image})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := string(p.Executables[0].Path); len(p.Executables) != 1 || got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	for name, test := range map[string]struct {
		container string
		image     profile.Image
		want      string
	}{
		"none chosen":              {"", profile.Image{}, "choose one with --container"},
		"another image":            {"", profile.Image{Refs: []string{"redis"}}, "choose one with --container"},
		"two of a repository":      {"", profile.Image{Refs: []string{"nginx:2"}}, `"old" ("nginx:1.25")`},
		"no container of the name": {"db", profile.Image{}, `no container "db"`},
	} {
		if _, err := importText(text, foreign.Options{Container: test.container, Image: test.image}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestArgsAlone are arguments for the image's entrypoint, which may run the
// first of them.
func TestArgsAlone(t *testing.T) {
	t.Parallel()
	p, err := importText("kind: Pod\nspec: {containers: [{name: a, args: [nginx, /etc/a.conf]}]}\n", foreign.Options{Path: "/usr/sbin:/bin"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range p.Files {
		got = append(got, string(f.Path)+" "+strings.Join(f.Access, ","))
	}
	if diff := cmp.Diff([]string{"/bin/nginx exec", "/etc/a.conf open,read", "/usr/sbin/nginx exec"}, got); diff != "" || len(p.Executables) > 0 {
		t.Error(diff, p.Executables)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"kind: Service":                      "it holds no workload",
		"kind: Pod":                          `the Pod "" has no containers`,
		"kind: Pod\nspec: {containers: web}": `"deploy.yaml", line 1: /spec/containers: a string does not fit`,
		"kind: Pod\nspec: {containers: [{command: run}]}": "/spec/containers/0/command",
		"kind: Pod\nspec: {initContainers: [{name: a}]}":  "only init containers",
	} {
		if _, err := importText(text, foreign.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := importText("", foreign.Options{}); err == nil {
		t.Error("no input is accepted")
	}
}

// TestExpansionIsBounded keeps a small document from making a huge profile.
func TestExpansionIsBounded(t *testing.T) {
	t.Parallel()
	text := "kind: Pod\nspec: {containers: [{name: a, env: [{name: A, value: " + strings.Repeat("x", 60_000) + "}], command: [/web" +
		strings.Repeat(`, "--f=/$(A)"`, 1000) + "]}]}\n"
	p, err := importText(text, foreign.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := p.Canonical(); err != nil || len(data) > 4<<20 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"kind":"Pod","spec":{"containers":[{"name":"a","command":["sh","-c","exec nginx $(A)"],"env":[{"name":"A","value":"b"}]}]}}`))
	f.Add([]byte(`{"kind":"CronJob","spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"livenessProbe":{"exec":{"command":["./x"]}},"ports":[{"containerPort":80}]}]}}}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := importText(string(data), foreign.Options{})
		if err != nil {
			return
		}
		if _, err := p.Canonical(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDetect(t *testing.T) {
	t.Parallel()
	list := "apiVersion: v1\nitems:\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: web}\n  spec: {"
	for text, want := range map[string]bool{
		read(t, "deploy.yaml"):                  true,
		read(t, "deploy.yaml")[:300]:            true,
		list:                                    true,
		list + "}\nkind: List\n":                true,
		"apiVersion: v1\nkind: Service":         false,
		"apiVersion: example.com/v1\nkind: Pod": false,
		"apiVersion: v1\nitems:\n- kind: Node":  false,
	} {
		if detect([]byte(text)) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}

// A probe of several tools names what does the work of each, and of the shell
// that a probe has one handler.
func TestCompoundProbe(t *testing.T) {
	t.Parallel()
	p, err := importText(`kind: Pod
spec:
  containers:
  - name: a
    livenessProbe: {exec: {command: [/bin/sh, -c, "curl -f http://localhost:8080/ok && nc -z localhost 6379 && cat /run/ok"]}}
    lifecycle: {preStop: {exec: {command: [/bin/sh, -c, "nc -z localhost 1; sleep 5"]}}}
`, foreign.Options{Path: "/bin"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, x := range p.Executables {
		got[string(x.Path)] = strings.Join(x.Instead, "; ")
	}
	const get, socket, sleep = "httpGet: {path: /ok, port: 8080}", "tcpSocket: {port: 6379}", "preStop: sleep: {seconds: 5}"
	both := "livenessProbe: one of " + get + " (curl), " + socket + " (nc)"
	want := map[string]string{
		"/bin/curl": "livenessProbe: " + get, "/bin/nc": "livenessProbe: " + socket + "; " + sleep,
		"/bin/cat": both, "/bin/sh": both + "; " + sleep, "/bin/sleep": sleep,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if notes := strings.Join(p.Sources[0].Notes, "\n"); !strings.Contains(notes, `livenessProbe runs "/bin/sh": one of `+get) {
		t.Errorf("notes %q", notes)
	}
}
