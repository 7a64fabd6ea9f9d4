package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/report"
	"github.com/lathe-build/lathe/sign"
)

// hardened records an image's server with one page and hardens to the least.
func hardenedWorkspace(t *testing.T) workspace {
	t.Helper()
	w := recordingWorkspace(t)
	w.ok(append([]string{"record", "oci:web", "--scenarios", "none", "-o", "p.json"}, asking("/read?of=/etc/motd")...)...)
	w.ok("harden", "oci:web", "-p", "p.json", "--level", "files", "-o", "out")
	return w
}

// proof runs a test of a shell on the hardened image and gives exit code, standard
// output and error.
func (w workspace) proof(script string, more ...string) (code int, stdout, stderr string) {
	w.t.Helper()
	cmd, said := w.lathe(w.t.Context(), append([]string{"verify", "out", "--run"}, append(more, "--", "sh", "-c", script)...)...)
	var out strings.Builder
	cmd.Stdout = &out
	_ = cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// TestProof is what fails a hardened image, and what does not.
func TestProof(t *testing.T) {
	t.Parallel()
	w := hardenedWorkspace(t)
	const ask = `ask() { curl -sS -m 20 "http://$LATHE_ADDR$1" >&2; }; `
	for _, tt := range []struct {
		name, test string
		code       int
		stdout     []string
		stderr     []string
	}{
		{"all is there", ask + "ask '/read?of=/etc/motd'", exitOK, []string{"out passes: test"}, nil},
		{"a test fails", "exit 7", exitGate, []string{"out does not pass"}, []string{"the test failed: sh ended with code 7"}},
		{
			"the container dies", `kill -9 "$LATHE_PID"; while kill -0 "$LATHE_PID" 2>/dev/null; do :; done`, exitGate,
			[]string{"out does not pass"},
			[]string{"the container ended by itself with code 137"},
		},
		{
			"something opens what is gone, and copes", ask + "ask '/read?of=/etc/other'", exitGate,
			[]string{"missing", `"/etc/other": openat, by /bin/probe;`, "keep:\n  - path: \"/etc/other\"\n"},
			[]string{`"/etc/other" is not there: /bin/probe asked for it with openat`},
		},
		{
			"something executes what is gone, and copes", ask + "ask '/run?of=/usr/bin/helper'", exitGate,
			[]string{`"/usr/bin/helper": execve, by /bin/probe;`, `  - path: "/usr/bin/helper"`},
			[]string{`"/usr/bin/helper" is not there: /bin/probe asked for it with execve`},
		},
		{
			"something reads a link that is gone, and copes", ask + "ask '/link?of=/etc/link'", exitGate,
			[]string{`"/etc/link": readlinkat, by /bin/probe;`},
			[]string{`"/etc/link" is not there`},
		},
		{
			"something looks for a program that is gone", ask + "ask '/owner?of=/usr/bin/helper'", exitOK,
			[]string{"out passes: test", "looked for", `"/usr/bin/helper": newfstatat, by /bin/probe;`},
			nil,
		},
		{"something opens what never was", ask + "ask '/read?of=/etc/never'", exitOK, []string{"out passes: test"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := w.proof(tt.test)
			if code != tt.code {
				t.Errorf("exit code %d, want %d: %s%s", code, tt.code, stdout, stderr)
			}
			for _, want := range tt.stdout {
				if !strings.Contains(stdout, want) {
					t.Errorf("there is no %q in %s", want, stdout)
				}
			}
			for _, want := range tt.stderr {
				if !strings.Contains(stderr, want) {
					t.Errorf("there is no %q in %s", want, stderr)
				}
			}
			if tt.code == exitOK && strings.Contains(stdout, "keep:") {
				t.Errorf("it passes, and yet there are rules: %s", stdout)
			}
		})
	}
}

// TestProofPolicy takes the rules that a failed proof prints as a policy: with
// them the same test passes.
func TestProofPolicy(t *testing.T) {
	t.Parallel()
	w := hardenedWorkspace(t)
	test := strings.Join(asking("/read?of=/etc/other", "/run?of=/usr/bin/helper")[3:], "")
	code, stdout, stderr := w.proof(strings.ReplaceAll(test, "-fsS", "-sS"))
	_, rules, found := strings.Cut(stdout, "\nkeep:\n")
	if code != exitGate || !found {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	w.write("policy.yaml", []byte("apiVersion: lathe.dev/v1alpha1\nkind: HardeningPolicy\nkeep:\n"+rules))
	w.ok("harden", "oci:web", "-p", "p.json", "--level", "files", "--policy", "policy.yaml", "-o", "out", "--force")
	if code, stdout, stderr := w.proof(test); code != exitOK || strings.Contains(stdout, "missing") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}

// TestRepairBounded needs another file in every round, and one more than there
// are rounds.
func TestRepairBounded(t *testing.T) {
	t.Parallel()
	w := hardenedWorkspace(t)
	var steps []string
	for _, name := range []string{"/etc/other", "/usr/bin/helper", "/usr/bin/curl", "/etc/a", "/etc/b", "/etc/c"} {
		steps = append(steps, `curl -fsS -m 20 "http://$LATHE_ADDR/read?of=`+name+`" >/dev/null`)
	}
	args := []string{"harden", "oci:web", "-p", "p.json", "--level", "files", "--verify", "--repair"}
	code, stderr := w.run(append(args, "-o", "never", "--", "sh", "-c", strings.Join(steps, " && "))...)
	if code != exitGate || exists(w.path("never")) {
		t.Errorf("exit code %d, output there: %v", code, exists(w.path("never")))
	}
	for _, want := range []string{"round 1: keeping \"/etc/other\": a run of the hardened image asked for it: openat by /bin/probe", "round 4: keeping \"/etc/a\"", "round 5: ", `"/etc/b" is not there`} {
		if !strings.Contains(stderr, want) {
			t.Errorf("there is no %q in %s", want, stderr)
		}
	}
	for _, wrong := range []string{"round 5: keeping", "round 6", "/etc/c"} {
		if strings.Contains(stderr, wrong) {
			t.Errorf("there is %q in %s", wrong, stderr)
		}
	}
}

// TestProofReported finds what a run showed in the report and in the attestation:
// what was kept for it, and a program that was only looked for and goes.
func TestProofReported(t *testing.T) {
	t.Parallel()
	w := hardenedWorkspace(t)
	w.writeKeys()
	test := asking("/read?of=/etc/other", "/owner?of=/usr/bin/helper")
	test[3] = strings.ReplaceAll(test[3], "-fsS", "-sS")
	w.ok(append([]string{"harden", "oci:web", "-p", "p.json", "--level", "files", "--verify", "--repair", "--key", "cosign.key", "-o", "out", "--force"}, test...)...)

	raw, err := os.ReadFile(w.path("out/report.json"))
	w.check(err)
	var doc report.Report
	w.check(json.Unmarshal(raw, &doc))
	want := &report.Run{
		Scenarios: []string{"test"},
		Repaired:  []report.Missed{{Path: "/etc/other", Why: "a run of the hardened image asked for it: openat by /bin/probe"}},
		LookedFor: []report.Missed{{Path: "/usr/bin/helper", Why: "newfstatat by /bin/probe"}},
	}
	if diff := cmp.Diff(want, doc.Run); diff != "" {
		t.Errorf("the report (-want +got):\n%s", diff)
	}
	p := w.predicate("out/image")
	if diff := cmp.Diff(&sign.Run{Scenarios: []string{"test"}, Repaired: []string{"/etc/other"}}, p.Run); diff != "" || !slices.Contains(p.Verified, "run") {
		t.Errorf("the attestation has verified %q, and (-want +got):\n%s", p.Verified, diff)
	}
	for name, want := range map[string]string{"/etc/other": "keep", "/usr/bin/helper": "drop"} {
		cmd, _ := w.lathe(t.Context(), "explain", "out", name)
		if out, err := cmd.Output(); err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s: %v, want %s: %s", name, err, want, out)
		}
	}
}

// writeKeys makes a key pair.
func (w workspace) writeKeys() {
	private, public, err := sign.GenerateKeyPair([]byte(testPassword))
	w.check(err)
	w.write("cosign.key", private)
	w.write("cosign.pub", public)
}

// predicate is that of the attestation of a layout.
func (w workspace) predicate(dir string) *sign.Predicate {
	w.t.Helper()
	layout, err := image.ReadLayout(context.Background(), w.path(dir), image.Limits{})
	w.check(err)
	defer layout.Close()
	i := slices.IndexFunc(layout.Entries, func(e image.LayoutEntry) bool {
		return e.Descriptor.Annotations[image.AnnotationKind] == image.KindAttestations
	})
	if i < 0 {
		w.t.Fatal("there is no attestation")
	}
	list, err := layout.Entries[i].Image.Layers()
	w.check(err)
	rc, err := list[0].Compressed()
	w.check(err)
	defer rc.Close()
	var envelope struct{ Payload []byte }
	w.check(json.NewDecoder(rc).Decode(&envelope))
	var statement struct{ Predicate json.RawMessage }
	w.check(json.NewDecoder(bytes.NewReader(envelope.Payload)).Decode(&statement))
	p, err := sign.ParsePredicate(statement.Predicate)
	w.check(err)
	return p
}
