//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/report"
)

// TestExampleProfiles uses the profiles in examples/, which were recorded on
// other builds of the images.
func TestExampleProfiles(t *testing.T) {
	for _, s := range exampleStacks() {
		t.Run(s.name, func(t *testing.T) {
			s.prepare(t)
			out := filepath.Join(t.TempDir(), "out")
			lathe(t, "harden", "oci:"+s.image, "--profile", filepath.Join(s.dir(), "profile.json"), "--rebase", "-o", out)
			bundle := unpack(t, filepath.Join(out, "image"))
			readRoot(t, bundle.root).checkNoTools(t, s.Stays)
			s.answers(t, bundle, &s.Scenarios[0], slices.Concat(s.Plain, s.Deep))
		})
	}
}

// TestStartupOnly checks that the reports tell what only start scripts ran, as
// the recordings have it, from what serves.
func TestStartupOnly(t *testing.T) {
	for _, tt := range []struct {
		stack          *stack
		starts, serves []string
	}{
		{redis, strings.Fields("chown dash find id setpriv"), []string{"redis-check-rdb"}}, // the server is a link to it
		{postgres, strings.Fields("chown dash id initdb locale mkdir setpriv stat"), []string{"postgres"}},
	} {
		t.Run(tt.stack.name, func(t *testing.T) {
			needStack(t, tt.stack)
			profiles, out := tt.stack.profiles(t), filepath.Join(t.TempDir(), "out")
			said := lathe(t, slices.Concat([]string{"harden", "oci:" + tt.stack.image, "-o", out}, profiles)...)
			data, err := os.ReadFile(filepath.Join(out, "report.json"))
			if err != nil {
				t.Fatal(err)
			}
			var doc report.Report
			if err := json.Unmarshal(data, &doc); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(out, "report.md"))
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(tt.starts)
			for _, list := range []struct {
				what string
				got  []report.Location
				want []string
				text string
			}{
				{"to start", doc.Platforms[0].Startup, tt.starts, "Used only by the entrypoint, before the long-running program was exec'ed: "},
				{"to serve", doc.Platforms[0].Serving, tt.serves, "Used to serve: "},
			} {
				var names, codes []string
				for _, l := range list.got {
					names = append(names, path.Base(l.Path))
					codes = append(codes, "`"+l.Path+"`")
				}
				slices.Sort(names)
				if diff := cmp.Diff(list.want, names); diff != "" {
					t.Errorf("used %s (-want +got):\n%s", list.what, diff)
				}
				if want := list.text + strings.Join(codes, ", ") + ".\n"; !strings.Contains(string(text), want) {
					t.Errorf("the report does not say %q", want)
				}
			}
			if !regexp.MustCompile(`only to start +/`).MatchString(said) || !strings.Contains(said, "/usr/bin/dash  startup only, for /usr/local/bin/start") {
				t.Errorf("the summary does not tell what only starts: %s", said)
			}
		})
	}
}

// TestAlpineStandIn hardens what takes the place of Alpine where its archive is
// missing, so that an apk database is always put to the test.
func TestAlpineStandIn(t *testing.T) {
	s := readStack("goserver")
	s.once.Do(func() {
		s.image = filepath.Join(shared.dir, "stand-in")
		if s.err == nil {
			s.err = buildExample(t, s.dir(), s.image, "")
		}
		s.unpack(t)
		s.record(t)
	})
	out := filepath.Join(t.TempDir(), "out")
	profiles := s.profiles(t)
	lathe(t, slices.Concat([]string{"harden", "oci:" + s.image, "-o", out}, profiles)...)
	before := readRoot(t, s.whole.root)
	before.checkHasTools(t, s.Tools)
	bundle := unpack(t, filepath.Join(out, "image"))
	after := readRoot(t, bundle.root)
	after.checkNoTools(t, nil)
	after.checkNoToolPackages(t)
	after.checkDatabase(t, before)
	s.answers(t, bundle, &s.Scenarios[0], slices.Concat(s.Plain, s.Deep))
}

// TestDeterministic hardens twice with different numbers of processors.
func TestDeterministic(t *testing.T) {
	for _, s := range exampleStacks() {
		t.Run(s.name, func(t *testing.T) {
			profiles := s.profiles(t)
			var runs []map[string]string
			for _, processors := range []string{"1", "2"} {
				out := filepath.Join(t.TempDir(), "out")
				args := slices.Concat([]string{"harden", "oci:" + s.image, "--selector", "app=" + s.name, "-o", out}, profiles)
				r := run("", []string{"GOMAXPROCS=" + processors}, shared.lathe, args...)
				if r.code != 0 {
					t.Fatalf("exit %d: %s", r.code, r.stderr)
				}
				runs = append(runs, readOutput(t, out))
			}
			if diff := cmp.Diff(runs[0], runs[1]); diff != "" {
				t.Errorf("two runs differ (-GOMAXPROCS=1 +GOMAXPROCS=2):\n%s", diff)
			}
		})
	}
}

// readOutput returns what must be the same on every machine: the names of all
// blobs, which are their digests, and the plan, hint and policy.
func readOutput(t *testing.T, out string) map[string]string {
	t.Helper()
	files := map[string]string{}
	blobs, err := os.ReadDir(filepath.Join(out, "image", "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		files[b.Name()] = "a blob"
	}
	for _, name := range []string{"plan.json", "hint.json", "networkpolicy.yaml"} {
		data, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	return files
}
