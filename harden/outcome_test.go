package harden_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// TestPacks keeps what programs need although the profile did not see it: TLS
// certificates where OpenSSL looks, zones, the C.UTF-8 locale. Nothing of it
// brings its package's programs with it.
func TestPacks(t *testing.T) {
	t.Parallel()
	text := debianText() + `---
elf usr/bin/openssl interp=/lib64/ld.so needed=libssl.so.3
link usr/lib/ssl/certs -> /etc/ssl/certs
link usr/lib/ssl/openssl.cnf -> /etc/ssl/openssl.cnf
file etc/ssl/openssl.cnf
link etc/ssl/certs/ca.pem -> /usr/share/ca-certificates/ca.crt
file usr/share/ca-certificates/ca.crt
file usr/share/zoneinfo/Europe/Zurich
file usr/lib/locale/C.utf8/LC_CTYPE
file usr/lib/locale/de_CH.utf8/LC_CTYPE
file usr/lib/locale/fr_FR.utf8/LC_CTYPE
file var/lib/dpkg/info/openssl.list = /.\n/usr/bin/openssl\n/usr/lib/ssl/certs\n/usr/lib/ssl/openssl.cnf\n/etc/ssl/openssl.cnf\n/usr/lib/locale\n/usr/lib/locale/C.utf8\n/usr/lib/locale/C.utf8/LC_CTYPE\n/usr/lib/locale/de_CH.utf8/LC_CTYPE\n/usr/lib/locale/fr_FR.utf8/LC_CTYPE\n
file var/lib/dpkg/status = ` + status("base-files", "libc6", "libgcc-s1", "libssl3", "libcurl4", "dash", "curl", "server", "openssl")
	conf := v1.Config{Entrypoint: server.Entrypoint, Env: []string{"LANG=de_CH.UTF-8"}}
	pl := newPlan(t, tree(t, text, conf), complete("/usr/bin/server"), harden.Policy{})
	for _, p := range []string{
		"usr/lib/ssl/certs", "usr/lib/ssl/openssl.cnf", "etc/ssl/openssl.cnf", "etc/ssl/certs/ca.pem", "usr/share/ca-certificates/ca.crt",
		"usr/share/zoneinfo/Europe/Zurich", "usr/lib/locale/C.utf8/LC_CTYPE", "usr/lib/locale/de_CH.utf8/LC_CTYPE",
	} {
		if !pl.Keeps(p) {
			t.Errorf("%s goes: %+v", p, pl.Explain(p))
		}
	}
	for _, p := range []string{"usr/bin/openssl", "usr/lib/locale/fr_FR.utf8/LC_CTYPE"} {
		if pl.Keeps(p) {
			t.Errorf("%s stays: %+v", p, pl.Explain(p))
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tr := tree(t, debianText(), server)
	incomplete := complete("/usr/bin/server")
	incomplete.Sources[0].Complete = false
	for _, tc := range []struct {
		name string
		text string
		conf v1.Config
		prof *profile.Profile
		pol  harden.Policy
		want string
	}{
		{name: "does not fit", prof: complete("/usr/bin/server"), want: "not about this image"},
		{name: "no execution", prof: complete(), pol: harden.Policy{Rebase: true}, want: "no program run"},
		{name: "incomplete", prof: incomplete, pol: harden.Policy{Rebase: true}, want: "complete"},
		{name: "missing program", prof: complete("/usr/bin/other"), pol: harden.Policy{Rebase: true}, want: `"/usr/bin/other"`},
		{name: "missing entrypoint", conf: v1.Config{Cmd: []string{"nothing"}}, prof: complete("/usr/bin/server"), pol: harden.Policy{Rebase: true}, want: `"nothing"`},
		{
			name: "missing library", text: "elf app interp=/ld.so needed=libx.so\nelf ld.so type=dyn", conf: v1.Config{Cmd: []string{"/app"}},
			prof: complete("/ld.so"), pol: harden.Policy{Rebase: true}, want: `"libx.so"`,
		},
		{
			name: "missing interpreter", text: "script app = /bin/none\nelf x type=exec", conf: v1.Config{Cmd: []string{"/app"}},
			prof: complete("/x"), pol: harden.Policy{Rebase: true}, want: `"/bin/none"`,
		},
		{
			name: "missing healthcheck", conf: v1.Config{Cmd: []string{"server"}, Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "ping", "-c1"}}},
			prof: complete("/usr/bin/server"), pol: harden.Policy{Rebase: true}, want: `the config's healthcheck "ping" is not in the image`,
		},
		{
			name: "healthcheck without a shell", text: "elf app type=exec", conf: v1.Config{Cmd: []string{"/app"}, Healthcheck: &v1.HealthConfig{Test: []string{"CMD-SHELL", "true"}}},
			prof: complete("/app"), pol: harden.Policy{Rebase: true}, want: `the config's healthcheck "/bin/sh" is not in the image`,
		},
		{
			name: "what a wrapper starts is dropped", text: "elf tini type=exec\nelf app type=exec", conf: v1.Config{Entrypoint: []string{"/tini", "--"}, Cmd: []string{"/app"}},
			prof: complete("/app"), pol: answered("/app"), want: `the config's entrypoint needs "/app", which would be dropped`,
		},
		{
			name: "its interpreter is dropped", conf: v1.Config{Cmd: []string{"/usr/local/bin/start"}}, prof: complete("/usr/bin/server"),
			pol: answered("/usr/bin/dash"), want: `the config's entrypoint needs "/usr/bin/dash", which would be dropped`,
		},
		{
			name: "its library is dropped", conf: v1.Config{Cmd: []string{"server"}}, prof: complete("/usr/bin/server"),
			pol: answered("/usr/lib/libssl.so.3"), want: `"/usr/bin/server" needs "/usr/lib/libssl.so.3", which would be dropped`,
		},
		{
			name: "its user's name is dropped", text: "elf app type=exec\nfile etc/passwd = www:x:33:33::/:/none\\n", conf: v1.Config{Cmd: []string{"/app"}, User: "www"},
			prof: complete("/app"), pol: harden.Policy{Rebase: true, Drop: []string{"etc/passwd"}}, want: `user "www" is looked up in "/etc/passwd", which would be dropped`,
		},
		{
			name: "its group's name is dropped", text: "elf app type=exec\nfile etc/group = www:x:33:\\n", conf: v1.Config{Cmd: []string{"/app"}, User: "33:www"},
			prof: complete("/app"), pol: harden.Policy{Rebase: true, Drop: []string{"etc/group"}}, want: `group "www" is looked up in "/etc/group", which would be dropped`,
		},
		{name: "losses unknown", prof: lossy(false), pol: harden.Policy{Rebase: true}, want: "complete"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			at := tr
			if tc.text != "" || tc.conf.Cmd != nil {
				text := tc.text
				if text == "" {
					text = debianText()
				}
				at = tree(t, text, tc.conf)
			}
			_, err := harden.NewPlan(t.Context(), at, profile.Identity{ManifestDigest: "sha256:0"}, tc.prof, tc.pol)
			var refusal *harden.Refusal
			if !errors.As(err, &refusal) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want a refusal with %q", err, tc.want)
			}
		})
	}
}

// lossy is of a recorder that cannot tell what it lost.
func lossy(vouched bool) *profile.Profile {
	p := complete("/usr/bin/server")
	p.Sources[0].Lost, p.Sources[0].Vouched = profile.Lost{}, vouched
	return p
}

func TestVouched(t *testing.T) {
	t.Parallel()
	tr := tree(t, debianText(), server)
	if !newPlan(t, tr, lossy(true), harden.Policy{}).Vouched {
		t.Error("the plan does not say that a person vouches")
	}
	if newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{}).Vouched {
		t.Error("nobody vouches")
	}
}

// answered is a policy that drops a path whatever the evidence says.
func answered(path string) harden.Policy {
	return harden.Policy{Rebase: true, Drop: []string{path}, Answers: []harden.Answer{{Path: path, Reason: "x"}}}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	tr := tree(t, debianText(), server)
	for _, rule := range []string{"usr/bin/server", "usr/lib/libssl.so.3"} {
		_, err := harden.NewPlan(t.Context(), tr, profile.Identity{}, complete("/usr/bin/server"), harden.Policy{Rebase: true, Drop: []string{rule}})
		var conflict *harden.Conflict
		var refusal *harden.Refusal
		if !errors.As(err, &conflict) && !errors.As(err, &refusal) {
			t.Errorf("%s: got %v, want a conflict or a refusal", rule, err)
		}
	}
}

func TestApplets(t *testing.T) {
	t.Parallel()
	text := "elf bin/busybox type=exec\nlink bin/sh -> /bin/busybox\nlink bin/wget -> busybox\nhard bin/nc -> bin/busybox\nelf app type=exec"
	conf := v1.Config{Cmd: []string{"/app"}}
	for _, tc := range []struct{ exec, kept string }{
		{"/app", "app"},
		{"/bin/sh", "app bin/busybox bin/sh"},
		{"/bin/busybox::wget", "app bin/busybox bin/wget"},
		{"/bin/nc", "app bin/busybox bin/nc"},
	} {
		pl := newPlan(t, tree(t, text, conf), complete(tc.exec), harden.Policy{})
		var kept []string
		for d := range pl.Decisions() {
			if d.Keep && d.Path != "bin" {
				kept = append(kept, d.Path)
			}
		}
		slices.Sort(kept)
		if got := strings.Join(kept, " "); got != tc.kept {
			t.Errorf("%s: got %q, want %q", tc.exec, got, tc.kept)
		}
		if fate := pl.Fate(tc.exec); fate != harden.FateKept {
			t.Errorf("%s: fate %v", tc.exec, fate)
		}
	}
}

// TestClosed plans the output again with the same profile: nothing more may go,
// and the second output is the first.
func TestClosed(t *testing.T) {
	t.Parallel()
	for _, level := range []harden.Level{harden.Binaries, harden.Packages} {
		tr := tree(t, debianText(), server)
		pol := harden.Policy{Level: level}
		first, err := harden.Apply(t.Context(), tr, newPlan(t, tr, complete("/usr/bin/server"), pol))
		if err != nil {
			t.Fatal(err)
		}
		again, err := layers.Open(t.Context(), first.Image, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		pl := newPlan(t, again, complete("/usr/bin/server"), pol)
		if d := dropped(pl); len(d) > 0 {
			t.Errorf("%s: the second plan drops %v", level, d)
		}
		second, err := harden.Apply(t.Context(), again, pl)
		if err != nil {
			t.Fatal(err)
		}
		d1, _ := first.Image.Digest()
		d2, _ := second.Image.Digest()
		if d1 != d2 {
			t.Errorf("%s: the second output differs", level)
		}
		_ = again.Close()
	}
}

func TestDocumentRoundTrip(t *testing.T) {
	t.Parallel()
	tr := tree(t, debianText()+"---\nfile srv/\xff\xfe", server)
	pl := newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{})
	doc := &harden.Document{Platforms: []harden.Section{{Platform: "linux/amd64", Plan: pl}}}
	var a, b bytes.Buffer
	if err := doc.Write(&a); err != nil {
		t.Fatal(err)
	}
	back, err := harden.ReadDocument(bytes.NewReader(a.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Write(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("reading and writing a plan changes it")
	}
	for _, name := range []string{"usr/lib/libc.so.6", "/lib/libc.so.6", "/bin/sh", "/lib64/libcurl.so.4"} {
		got, want := back.Platforms[0].Plan.Explain(name), pl.Explain(name)
		if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
			t.Errorf("%s: chain (-want +got):\n%s", name, diff)
		}
	}
	if _, err := harden.Apply(t.Context(), tree(t, "file a", server), pl); !errors.Is(err, harden.ErrStalePlan) {
		t.Errorf("got %v, want ErrStalePlan", err)
	}
}

func TestScriptCommands(t *testing.T) {
	t.Parallel()
	text := strings.Replace(debianText(), "script usr/local/bin/start = /bin/sh -e",
		`script usr/local/bin/start = /bin/sh -e\nif test -n "$X"; then\n  curl http://x | serverctl -\nfi\nexec server`, 1)
	pl := newPlan(t, tree(t, text, v1.Config{Entrypoint: []string{"start"}}), complete("/usr/bin/server", "/usr/local/bin/start"), harden.Policy{})
	var got []string
	for _, f := range pl.Findings {
		if f.Kind == "script-command" {
			got = append(got, f.Text[:strings.Index(f.Text, ",")])
		}
	}
	want := []string{`line 3 may run "curl"`, `line 3 may run "serverctl"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	text := debianText() + "---\nhard srv/alias -> usr/bin/curl"
	tr := tree(t, text, server)
	pl := newPlan(t, tr, complete("/usr/bin/server"), harden.Policy{Keep: []string{"srv/alias"}, Drop: []string{"usr/bin/curl"}})
	res, err := harden.Apply(t.Context(), tr, pl)
	if err != nil {
		t.Fatal(err)
	}
	out := reopen(t, res.Image)
	for what, f := range map[string]func() ([]string, error){
		"output": func() ([]string, error) { return harden.CheckOutput(t.Context(), out, pl) },
		"source": func() ([]string, error) { return harden.CheckSource(t.Context(), tr, pl) },
	} {
		if got, err := f(); err != nil || len(got) > 0 {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	for _, change := range []string{
		"file srv/page = hello!", "file srv/page mode=0666 = hello", "file srv/page uid=7 = hello", "file srv/extra", "gone srv/page",
	} {
		other := tree(t, text+"\n---\n"+change, server)
		tampered, err := layers.Rewrite(t.Context(), other, func(e layers.Entry) layers.Edit {
			if e.ID < pl.Records.Len() {
				return layers.Edit{Drop: pl.Records.At(e.ID).Action == harden.ActDrop || e.Shadowed}
			}
			return layers.Edit{Drop: e.Type.Marker() && e.Hides()}
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err := harden.CheckOutput(t.Context(), reopen(t, tampered.Image), pl)
		if err != nil || len(got) == 0 {
			t.Errorf("%s: not noticed, %v", change, err)
		}
	}
}

func reopen(t *testing.T, img v1.Image) *layers.Tree {
	t.Helper()
	tr, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}
