package fold

import (
	"strings"
	"testing"

	"github.com/lathe-build/lathe/profile"
)

func TestPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][2]string{
		"/usr/bin/x":           {"/usr/bin/x", ""},
		"/usr/bin/x (deleted)": {"/usr/bin/x", profile.LayerUnknown},
		"memfd:runc (deleted)": {"/memfd:runc", profile.LayerMemfd},
		"/memfd:a":             {"/memfd:a", profile.LayerMemfd},
		"pipe:[12]":            {"", ""},
		"":                     {"", ""},
		"relative":             {"", ""},
		"/var/lib/docker/overlay2/0af/merged/usr/bin/x":                        {"/usr/bin/x", ""},
		"/run/containerd/io.containerd.runtime.v2.task/k8s.io/5f/rootfs/etc/x": {"/etc/x", ""},
		"/var/lib/containers/storage/overlay/9/merged/etc/x (deleted)":         {"/etc/x", profile.LayerUnknown},
		"/srv/overlay2/merged/x":                                               {"/srv/overlay2/merged/x", ""},
		"/var/lib/docker/overlay2/0af/diff/usr/bin/x":                          {"/var/lib/docker/overlay2/0af/diff/usr/bin/x", ""},
	} {
		p, layer := Path(in)
		if string(p) != want[0] || layer != want[1] {
			t.Errorf("%q is %q in %q, want %q", in, p, layer, want)
		}
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	for _, tc := range [][3]string{
		{"/a", "b", "/a/b"},
		{"/a", "/b", "/b"},
		{"/", "b", "/b"},
		{"", "b", "/b"},
		{"/a", "./b//c/", "/a/b/c"},
		{"/a", "../b", "/a/../b"},
		{"/", "../b", "/b"},
		{"/a/", ".", "/a"},
		{"", "", "/"},
	} {
		if got := Join(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%q and %q are %q, want %q", tc[0], tc[1], got, tc[2])
		}
	}
}

func TestOpened(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string]string{
		"O_RDONLY": "open read", "O_WRONLY|O_TRUNC": "open write", "O_RDWR|O_CLOEXEC": "open read write",
		"O_WRONLY|O_CREAT": "open write create", "O_CREAT": "open read create", "": "open read",
	} {
		if got := strings.Join(OpenedBy(flags), " "); got != want {
			t.Errorf("%q is %q, want %q", flags, got, want)
		}
	}
	if got := Opened(0o102); len(got) != 4 {
		t.Errorf("0102 is %q", got)
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	for errno, want := range map[int64]string{
		0: profile.ResultEstablished, -111: profile.ResultRefused, 110: profile.ResultTimeout, -101: profile.ResultUnreachable,
		13: profile.ResultDenied, -115: profile.ResultInProgress,
	} {
		if got := Result(Errno(errno)); got != want {
			t.Errorf("%d is %q, want %q", errno, got, want)
		}
	}
	if !IsMissing(Errno(-2)) || !IsMissing(Errno(20)) || IsMissing(Errno(13)) {
		t.Error("the wrong errors say that a path is missing")
	}
}

func TestRecent(t *testing.T) {
	t.Parallel()
	var r Recent[int, int]
	for i := range 10 * maxRecent {
		r.Put(i, i)
		if _, ok := r.Get(0); !ok {
			t.Fatalf("what is used is forgotten after %d", i)
		}
	}
	if _, ok := r.Get(1); ok {
		t.Error("nothing is forgotten")
	}
	if v, ok := r.Get(10*maxRecent - 1); !ok || v != 10*maxRecent-1 {
		t.Error("the last one is forgotten")
	}
	if len(r.young)+len(r.old) > 2*maxRecent {
		t.Error("it grows")
	}
}
