//go:build e2e && linux

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/profile"
)

// attached is the name that the image has at the engines.
const attached = "localhost/lathe-web:1"

// TestAttach records a container that runs already under each engine that is
// installed, by its own daemon. It takes too long for every push.
func TestAttach(t *testing.T) {
	if os.Getenv("LATHE_NEED_ENGINES") == "" {
		t.Skip("SKIPPED: `make e2e-engines` records under docker, podman and containerd")
	}
	s := readStack("nginx")
	s.image = filepath.Join(t.TempDir(), "web")
	if s.build(t); s.err != nil {
		t.Fatal(s.err)
	}
	archive, config := toArchive(t, s.image)
	for name, start := range engines(t) {
		t.Run(name, func(t *testing.T) {
			e := start(t)
			e.command(t, e.load, archive)
			args := []string{attached}
			if name == "containerd" {
				args = append(args, "web")
			}
			id := e.command(t, e.run, args...)
			t.Cleanup(func() { e.command(t, e.stop) })
			out := filepath.Join(t.TempDir(), "profile.json")
			// The program that asks is the host's; only the network is the container's.
			curl := `nsenter -t $LATHE_PID -n curl -fsS --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 20 http://127.0.0.1:8080/style.css`
			record := func(container string, more ...string) *profile.Profile {
				t.Helper()
				_ = os.Remove(out)
				args := []string{"record", "--container", container, "-o", out, "--", "sh", "-c", strings.Join(append([]string{curl}, more...), "\n")}
				if r := run("", e.env, shared.lathe, args...); r.code != 0 {
					t.Fatalf("exit %d: %s", r.code, r.stderr)
				}
				return readProfile(t, out)
			}
			record("web") // it serves from here on
			checkAttached(t, record("web"))
			if id != "" {
				for _, short := range []string{id, id[:12]} {
					if p := record(short); p.Sources[0].Subject.ContainerID != id {
						t.Errorf("%s is %q, not %q", short, p.Sources[0].Subject.ContainerID, id)
					}
				}
				p := record("web", e.name+` exec web cat /etc/hostname`)
				if x := executable(p, "/usr/bin/cat"); x == nil || !slices.Contains(x.Origin, profile.OriginAttach) {
					t.Errorf("what somebody executed in the container: %+v", x)
				}
				if p.Images[0].ConfigDigest[0] != config {
					t.Errorf("the profile is about %+v, not %s", p.Images[0], config)
				}
				// It fits the image that the container was made of.
				lathe(t, "harden", "docker-archive:"+archive, "-p", out, "--allow-incomplete", "--dry-run")
				if r := run("", nil, shared.lathe, "harden", "docker-archive:"+archive, "-p", out, "--dry-run"); r.code != 4 || !strings.Contains(r.stderr, "complete") {
					t.Errorf("without --allow-incomplete: exit %d: %s", r.code, r.stderr)
				}
			} else if about := readProfile(t, out).Images; len(about) != 1 || about[0].Refs[0] != attached || about[0].Digest == "" {
				t.Errorf("the profile is about %+v", about)
			}
			if r := run("", e.env, shared.lathe, "record", "--container", "nobody", "-o", out+".none", "--", "true"); r.code != 1 || !strings.Contains(r.stderr, `no running container "nobody"`) {
				t.Errorf("a container that is not there: exit %d: %s", r.code, r.stderr)
			}
			if name == "docker" {
				dockerRun(t, e, config)
			}
		})
	}
}

// checkAttached checks what a recording of nginx must have: what was mapped and
// listening before, what was done since, and why it is not everything.
func checkAttached(t *testing.T, p *profile.Profile) {
	t.Helper()
	source := p.Sources[0]
	if source.Complete || !slices.Contains(source.Notes, "incomplete: attached to what ran already") || source.Lost.Events != 0 {
		t.Errorf("complete %v, lost %+v: %q", source.Complete, source.Lost, source.Notes)
	}
	if executable(p, "/usr/sbin/nginx") == nil || len(p.Executables) != 1 {
		t.Errorf("executables: %+v", p.Executables)
	}
	for path, access := range map[string]string{
		"/srv/www/style.css":                             profile.AccessRead,
		"/usr/lib/x86_64-linux-gnu/libc.so.6":            profile.AccessMmapExec,
		"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": profile.AccessMmapExec,
	} {
		if !slices.ContainsFunc(p.Files, func(f profile.File) bool { return string(f.Path) == path && slices.Contains(f.Access, access) }) {
			t.Errorf("no %s of %s", access, path)
		}
	}
	if !slices.ContainsFunc(p.Network.Listen, func(l profile.Listen) bool { return l.Port == 8080 && slices.Equal(l.By, []string{"/usr/sbin/nginx"}) }) {
		t.Errorf("listening: %+v", p.Network.Listen)
	}
	if len(p.Network.Accept) != 1 {
		t.Errorf("accepted: %+v", p.Network.Accept)
	}
	for _, c := range p.Capabilities { // the storage driver's, checked in the name of the worker
		t.Errorf("a worker of nginx uses the capability %s", c.Name)
	}
}

// dockerRun records by the command line of docker, with the daemon's image.
func dockerRun(t *testing.T, e engine, config string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "run.json")
	r := run("", e.env, shared.lathe, "record", "--docker", "--scenarios", "none", "--test", `get=curl -fsS "http://$LATHE_ADDR_8080/about.html"`, "-o", out,
		"--", "docker", "run", "--rm", "-d", "--name", "anything", "-e", "MODE=test", "-p", "8080", attached)
	if r.code != 0 || !strings.Contains(r.stderr, "from the docker daemon") {
		t.Fatalf("exit %d: %s", r.code, r.stderr)
	}
	p := readProfile(t, out)
	if !p.Complete() || !slices.Contains(p.Images[0].ConfigDigest, config) {
		t.Errorf("complete %v, about %+v", p.Complete(), p.Images)
	}
	if !slices.ContainsFunc(p.Files, func(f profile.File) bool { return f.Path == "/srv/www/about.html" }) {
		t.Error("the page that the test asked for is not in the profile")
	}
}

func executable(p *profile.Profile, path string) *profile.Executable {
	i := slices.IndexFunc(p.Executables, func(e profile.Executable) bool { return string(e.Path) == path })
	if i < 0 {
		return nil
	}
	return &p.Executables[i]
}

func readProfile(t *testing.T, file string) *profile.Profile {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := profile.Read(f, profile.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// toArchive makes a docker archive of a layout's image, and gives the digest of
// the image's config.
func toArchive(t *testing.T, layout string) (archive, config string) {
	t.Helper()
	ref, err := image.ParseRef("oci:" + layout)
	if err != nil {
		t.Fatal(err)
	}
	src, err := image.Read(context.WithoutCancel(t.Context()), ref, image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	tag, err := name.NewTag(attached)
	if err != nil {
		t.Fatal(err)
	}
	archive = filepath.Join(t.TempDir(), "image.tar")
	if err := tarball.WriteToFile(archive, tag, src.Images[0].Image); err != nil {
		t.Fatal(err)
	}
	digest, err := src.Images[0].Image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	return archive, digest.String()
}
