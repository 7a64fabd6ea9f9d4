package profile

import (
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeImage maps paths to "" or to what the link there points to.
type fakeImage map[string]string

// resolve follows links of whole prefixes, as a kernel would.
func (f fakeImage) resolve(p string) (string, []string, bool) {
	var links []string
	at, rest := "/", strings.Split(p, "/")
	for n := 0; len(rest) > 0 && n < 100; n++ {
		name := rest[0]
		rest = rest[1:]
		next := path.Join(at, name)
		target, ok := f[next]
		switch {
		case name == "" || name == ".":
		case name == "..":
			at = path.Dir(at)
		case !ok:
			return "", nil, false
		case target == "":
			at = next
		default:
			links = append(links, next)
			if strings.HasPrefix(target, "/") {
				at = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
		}
	}
	return at, links, true
}

func debianish() fakeImage {
	return fakeImage{
		"/": "", "/bin": "usr/bin", "/lib": "usr/lib", "/usr": "", "/usr/bin": "", "/usr/lib": "", "/etc": "",
		"/usr/bin/dash": "", "/usr/bin/sh": "dash", "/usr/bin/busybox": "", "/usr/bin/ls": "/bin/busybox",
		"/usr/lib/libc.so": "libc.so.6", "/usr/lib/libc.so.6": "", "/etc/conf": "", "/entry.sh": "",
	}
}

// sourcesFor returns a source that tells failed lookups apart and one that does
// not.
func sourcesFor() (precise, vague Source) {
	precise = Source{Kind: KindObserved, Run: "precise", Observes: []string{ObservesOpenFailed}}
	vague = Source{Kind: KindObserved, Run: "vague"}
	precise.ID, vague.ID = SourceID(precise), SourceID(vague)
	return precise, vague
}

func TestBind(t *testing.T) {
	t.Parallel()
	precise, vague := sourcesFor()
	p := &Profile{
		Sources: []Source{precise, vague},
		Executables: []Executable{
			{Path: "/bin/sh", Seen: Seen{vague.ID: {N: 1}}},
			{Path: "/usr/bin/dash", As: "sh", Seen: Seen{vague.ID: {N: 4}}, Parents: []string{"/bin/sh"}},
			{Path: "/bin/ls"},
			{Path: "/opt/tool", Parents: []string{"/bin/sh"}},
			{Path: "/entry.sh", Scripts: []Path{"/gone.sh"}},
		},
		Files: []File{
			{Path: "/usr/lib/libc.so.6", Via: []Path{"/lib/libc.so"}, Access: []string{AccessMmapExec}, By: []string{"/bin/ls"}, Seen: []string{precise.ID}},
			{Path: "/usr/lib/../lib/libc.so", Access: []string{AccessOpen}, By: []string{"/bin/sh"}, Seen: []string{vague.ID}},
			{Path: "/data/x", Access: []string{AccessCreate}, Seen: []string{vague.ID, precise.ID}},
			{Path: "/etc/nope", Access: []string{AccessOpen}, By: []string{"/bin/sh"}, Seen: []string{vague.ID}},
			{Path: "/proc/1/maps", Seen: []string{vague.ID}},
			{Path: "/procfile", Seen: []string{precise.ID}},
			{Path: "/overlay/merged/etc/conf", Via: []Path{"/etc/conf"}, Seen: []string{precise.ID}},
		},
		Missing: []Missing{{Path: "/etc/ld.so.preload", By: []string{"/bin/ls"}}},
		Network: Network{Connect: []Connect{{Proto: "tcp", Port: 1, Peer: Peer{IP: "192.0.2.1"}, By: []string{"/opt/tool", "/bin/ls", "/usr/bin/sh"}}}},
	}
	got, absent, err := Bind(p, Root{Resolve: debianish().resolve})
	if err != nil {
		t.Fatal(err)
	}
	want := &Profile{
		Sources: p.Sources,
		Executables: []Executable{
			{Key: "/entry.sh", Path: "/entry.sh", Bound: true, Scripts: []Path{"/gone.sh"}},
			{Path: "/usr/bin/busybox", As: "ls", Bound: true, Via: []Path{"/bin", "/bin/ls", "/usr/bin/ls"}},
			{
				Path: "/usr/bin/dash", As: "sh", Bound: true, Via: []Path{"/bin", "/bin/sh", "/usr/bin/sh"},
				Seen: Seen{vague.ID: {N: 4}}, Parents: []string{"/usr/bin/dash::sh"},
			},
		},
		Files: []File{
			{Path: "/etc/conf", Bound: true, Seen: []string{precise.ID}},
			{
				Path: "/usr/lib/libc.so.6", Bound: true, Via: []Path{"/lib", "/lib/libc.so", "/usr/lib/../lib/libc.so", "/usr/lib/libc.so"},
				Access: []string{AccessMmapExec, AccessOpen}, By: []string{"/usr/bin/busybox::ls", "/usr/bin/dash::sh"}, Seen: []string{precise.ID, vague.ID},
			},
		},
		Missing: []Missing{
			{Path: "/etc/ld.so.preload", By: []string{"/usr/bin/busybox::ls"}},
			{Path: "/etc/nope", Ops: []string{AccessOpen}, By: []string{"/usr/bin/dash::sh"}, Seen: []string{vague.ID}},
		},
		Outside: []Outside{{Prefix: "/proc", Seen: Seen{vague.ID: {N: 1}}}},
		Network: Network{Connect: []Connect{{
			Proto: "tcp", Port: 1, Peer: Peer{IP: "192.0.2.1"}, By: []string{"/opt/tool", "/usr/bin/busybox::ls", "/usr/bin/dash::sh"},
		}}},
	}
	if diff := cmp.Diff(bytesOf(t, want), bytesOf(t, got)); diff != "" {
		t.Error(diff)
	}
	wantAbsent := []Absent{
		{Section: "executables", Path: "/opt/tool"},
		{Section: "files", Path: "/data/x", Access: []string{AccessCreate}},
		{Section: "files", Path: "/etc/nope", Access: []string{AccessOpen}, By: []string{"/usr/bin/dash::sh"}, Moved: true},
		{Section: "files", Path: "/procfile"},
		{Section: "scripts", Path: "/gone.sh", By: []string{"/entry.sh"}},
	}
	if diff := cmp.Diff(wantAbsent, absent); diff != "" {
		t.Error(diff)
	}
	if _, _, err := Bind(got, Root{Resolve: debianish().resolve}); !errors.Is(err, ErrBound) {
		t.Errorf("binding twice: %v", err)
	}
	if _, err := Merge(got, p); !errors.Is(err, ErrMixed) {
		t.Errorf("merging bound and unbound: %v", err)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

// Binding a merge may know more than merging what is bound, since entries that
// share a path share their uses, but never less.
func TestBindAfterMergeLosesNothing(t *testing.T) {
	t.Parallel()
	resolve := fakeImage{"/": "", "/bin": "", "/bin/sh": "busybox", "/bin/busybox": "", "/a b": "", "/a b/ü": ""}.resolve
	for seed := range uint64(100) {
		g := newGenerator(2 * seed)
		a, b := g.profile(), g.profile()
		bind := func(p *Profile) *Profile {
			out, _, err := Bind(p, Root{Resolve: resolve})
			if err != nil {
				t.Fatal(err)
			}
			for i := range out.Files {
				out.Files[i].By = nil // a merge may tell which file in the image a key means
			}
			for i := range out.Executables {
				out.Executables[i].Parents = nil
			}
			return &Profile{Files: out.Files, Executables: out.Executables}
		}
		late := bind(mustMerge(t, a, b))
		all := mustMerge(t, late, bind(a), bind(b))
		if diff := cmp.Diff(bytesOf(t, all), bytesOf(t, late)); diff != "" {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
	}
}

func TestBindDoesNotChangeItsArgument(t *testing.T) {
	t.Parallel()
	p := newGenerator(12).profile()
	before := bytesOf(t, p)
	if _, _, err := Bind(p, Root{Resolve: func(string) (string, []string, bool) { return "/t", []string{"/l"}, true }}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, bytesOf(t, p)); diff != "" {
		t.Error(diff)
	}
}

// What a recorder put a slash before is found below the working directory, by
// binding as by planning.
func TestBindLooksBelowWorkingDirectory(t *testing.T) {
	t.Parallel()
	image := fakeImage{
		"/": "", "/srv": "", "/srv/app": "", "/srv/app/client": "", "/srv/app/data": "", "/srv/app/data/rates": "",
		"/srv/app/lib": "", "/srv/app/latest": "data/rates",
	}
	root := Root{
		Resolve: image.resolve, WorkingDir: "//srv/./app/",
		IsDir: func(p string) bool { return p == "/srv/app/data" || p == "/srv/app/lib" },
	}
	may := Source{Kind: KindObserved, Paths: PathStyle{Open: "both"}}
	may.ID = SourceID(may)
	tells := Source{Kind: KindObserved, Paths: PathStyle{Open: "both"}, Observes: []string{ObservesOpenFailed}}
	tells.ID = SourceID(tells)
	for name, test := range map[string]struct {
		by     Source
		dir    string
		want   []string
		absent int
	}{
		"may put a slash":      {may, root.WorkingDir, []string{"/srv/app/client", "/srv/app/data/rates"}, 1},
		"tells failures":       {tells, root.WorkingDir, nil, 4},
		"no working directory": {may, "", nil, 4},
	} {
		p := &Profile{
			Sources:     []Source{test.by},
			Executables: []Executable{{Path: "/client", Seen: Seen{test.by.ID: {N: 1}}}},
			Files: []File{
				{Path: "/data/rates", Access: []string{AccessRead}, Seen: []string{test.by.ID}},
				{Path: "/latest", Access: []string{AccessRead}, Seen: []string{test.by.ID}},
				{Path: "/lib", Access: []string{AccessOpen}, Seen: []string{test.by.ID}},
				{Path: "/dev/client", Access: []string{AccessRead}, Seen: []string{test.by.ID}},
			},
		}
		root.WorkingDir = test.dir
		bound, absent, err := Bind(p, root)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range bound.Executables {
			got = append(got, string(x.Path))
		}
		for _, f := range bound.Files {
			got = append(got, string(f.Path))
		}
		if diff := cmp.Diff(test.want, got); diff != "" || len(absent) != test.absent {
			t.Errorf("%s: %s, absent %+v", name, diff, absent)
		}
	}
}
