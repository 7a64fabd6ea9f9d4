package record

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/profile"
)

func TestExamine(t *testing.T) {
	t.Parallel()
	image := map[string]Fate{
		"/usr/bin/curl":      {Path: "/usr/bin/curl", Class: "downloader", Why: "nothing executed it"},
		"/bin/curl":          {Path: "/usr/bin/curl", Class: "downloader", Why: "nothing executed it"},
		"/lib/libz.so":       {Path: "/lib/libz.so", Why: "unused library"},
		"/usr/bin/nginx":     {Path: "/usr/bin/nginx", Kept: true, Why: "executed"},
		"/etc/nginx.conf":    {Path: "/etc/nginx.conf", Kept: true, Why: "opened"},
		"/run/hidden":        {Path: "/run/hidden", Why: "unowned"},
		"/var/lib/dpkg/lock": {Path: "/var/lib/dpkg/lock", Why: "package manager"},
	}
	look := func(name string) (Fate, bool) { f, ok := image[name]; return f, ok }
	miss := func(name, op string, by ...string) profile.Missing {
		return profile.Missing{Path: profile.Path(name), Errno: []string{"ENOENT"}, Ops: []string{op}, By: by}
	}
	curl := func(fails bool, ops ...string) Finding {
		return Finding{Path: "/usr/bin/curl", Class: "downloader", Why: "nothing executed it", Fails: fails, Ops: ops}
	}
	for _, tt := range []struct {
		name     string
		missing  []profile.Missing
		original *profile.Profile
		want     []Finding
	}{
		{"nothing", nil, nil, []Finding{}},
		{"the image never had it", []profile.Missing{miss("/etc/ld.so.preload", "access"), miss("/usr/local/bin/curl", "execve")}, nil, []Finding{}},
		{"executed", []profile.Missing{miss("/usr/bin/curl", "execve")}, nil, []Finding{curl(true, "execve")}},
		{"only looked for", []profile.Missing{miss("/usr/bin/curl", "newfstatat")}, nil, []Finding{curl(false, "newfstatat")}},
		{"looked for, then executed", []profile.Missing{{Path: "/usr/bin/curl", Errno: []string{"ENOENT"}, Ops: []string{"execve", "faccessat2"}}}, nil, []Finding{curl(true, "execve", "faccessat2")}},
		{"opened", []profile.Missing{miss("/lib/libz.so", "openat", "/usr/bin/nginx")}, nil, []Finding{{Path: "/lib/libz.so", Why: "unused library", Fails: true, Ops: []string{"openat"}, By: []string{"/usr/bin/nginx"}}}},
		{"a link read", []profile.Missing{miss("/lib/libz.so", "readlinkat")}, nil, []Finding{{Path: "/lib/libz.so", Why: "unused library", Fails: true, Ops: []string{"readlinkat"}}}},
		{"removed", []profile.Missing{miss("/var/lib/dpkg/lock", "unlink")}, nil, []Finding{{Path: "/var/lib/dpkg/lock", Why: "package manager", Ops: []string{"unlink"}}}},
		{"it may not be read", []profile.Missing{{Path: "/lib/libz.so", Errno: []string{"EACCES"}, Ops: []string{"openat"}}}, nil, []Finding{}},
		{"it stays", []profile.Missing{miss("/etc/nginx.conf", "openat")}, nil, []Finding{}},
		{"it stays without its interpreter", []profile.Missing{miss("/usr/bin/nginx", "execve")}, nil, []Finding{{Path: "/usr/bin/nginx", Why: "executed", Fails: true, Kept: true, Ops: []string{"execve"}}}},
		{"by two names", []profile.Missing{miss("/bin/curl", "execve", "/b"), miss("/usr/bin/curl", "stat", "/a")}, nil, []Finding{{
			Path: "/usr/bin/curl", Asked: []string{"/bin/curl"}, Class: "downloader", Why: "nothing executed it", Fails: true,
			Ops: []string{"execve", "stat"}, By: []string{"/a", "/b"},
		}}},
		{"missing on the original, too", []profile.Missing{miss("/run/hidden", "openat")}, &profile.Profile{Missing: []profile.Missing{miss("/run/hidden", "openat")}}, []Finding{}},
		{
			"missing and found on the original",
			[]profile.Missing{miss("/lib/libz.so", "openat")},
			&profile.Profile{Missing: []profile.Missing{miss("/lib/libz.so", "openat")}, Files: []profile.File{{Path: "/lib/libz.so.1", Via: []profile.Path{"/lib/libz.so"}}}},
			[]Finding{{Path: "/lib/libz.so", Why: "unused library", Fails: true, Ops: []string{"openat"}}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Examine(&profile.Profile{Missing: tt.missing}, tt.original, look)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRepairOf(t *testing.T) {
	t.Parallel()
	findings := []Finding{
		{Path: "/a", Fails: true},
		{Path: "/bin/bash", Fails: true, Class: "shell"},
		{Path: "/bin/curl", Fails: true, Class: "downloader"},
		{Path: "/bin/looked-for", Fails: false},
		{Path: "/bin/stays", Fails: true, Kept: true},
	}
	got := RepairOf(findings, func(class string) bool { return class == "shell" })
	if diff := cmp.Diff(Repair{Keep: []string{"/a", "/bin/curl"}, Refused: []string{"/bin/bash"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWho(t *testing.T) {
	t.Parallel()
	for want, by := range map[string][]string{"somebody": nil, "/bin/busybox (as sh), /bin/x": {"/bin/busybox::sh", "/bin/x"}} {
		if got := (Finding{By: by}).Who(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
