package sandbox

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/lathe-build/lathe/internal/testimage"
	"github.com/lathe-build/lathe/layers"
)

func TestFindUser(t *testing.T) {
	t.Parallel()
	root := fstest.MapFS{
		"etc/passwd": {Data: []byte("root:x:0:0::/root:/bin/sh\nbroken\nweb:x:1000:1001::/srv:/bin/sh\nnohome:x:5:6:::\n")},
		"etc/group":  {Data: []byte("web:x:1001:web\nextra:x:7:other,web\nadm:x:4:\n")},
	}
	for _, tt := range []struct {
		in   string
		want user
		err  string
	}{
		{in: "", want: user{home: "/root"}},
		{in: "web", want: user{uid: 1000, gid: 1001, groups: []uint32{7}, home: "/srv"}},
		{in: "1000", want: user{uid: 1000, gid: 1001, groups: []uint32{7}, home: "/srv"}},
		{in: "web:adm", want: user{uid: 1000, gid: 4, home: "/srv"}},
		{in: "web:12", want: user{uid: 1000, gid: 12, home: "/srv"}},
		{in: "77", want: user{uid: 77, home: "/"}},
		{in: "77:78", want: user{uid: 77, gid: 78, home: "/"}},
		{in: "nohome", want: user{uid: 5, gid: 6, home: "/"}},
		{in: "nobody", err: `no user "nobody"`},
		{in: "web:nothing", err: `no group "nothing"`},
		{in: "-1", err: `no user "-1"`},
		{in: "4294967295", err: "no user"},
	} {
		got, err := findUser(root, tt.in)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: %v, want %q", tt.in, err, tt.err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(user{})); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", tt.in, err, diff)
		}
	}
	if u, err := findUser(fstest.MapFS{}, "5"); err != nil || u.uid != 5 {
		t.Errorf("an image without users: %v, %v", u, err)
	}
}

func FuzzFindUser(f *testing.F) {
	f.Add([]byte("root:x:0:0::/root:/bin/sh\n"), []byte("web:x:1:a,b\n"), "root:web")
	f.Add([]byte(":::::::\n\n"), []byte(":"), ":")
	f.Fuzz(func(t *testing.T, passwd, group []byte, name string) {
		root := fstest.MapFS{"etc/passwd": {Data: passwd}, "etc/group": {Data: group}}
		if u, err := findUser(root, name); err == nil && (u.home == "" || u.uid >= 1<<31 || u.gid >= 1<<31) {
			t.Errorf("%q: %+v", name, u)
		}
	})
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	image := v1.Config{Entrypoint: []string{"/start"}, Cmd: []string{"serve"}}
	for _, tt := range []struct {
		config v1.Config
		o      Options
		want   []string
	}{
		{image, Options{}, []string{"/start", "serve"}},
		{image, Options{Args: []string{"other"}}, []string{"/start", "other"}},
		{image, Options{Entrypoint: []string{"/own"}}, []string{"/own"}},
		{image, Options{Entrypoint: []string{"/own"}, Args: []string{"a"}}, []string{"/own", "a"}},
		{image, Options{Entrypoint: []string{}, Args: []string{"a"}}, []string{"a"}},
		{v1.Config{}, Options{}, nil},
		{image, Options{Entrypoint: []string{}}, nil},
	} {
		got, err := commandLine(tt.config, tt.o)
		if (err != nil) != (tt.want == nil) || !slices.Equal(got, tt.want) {
			t.Errorf("%v: %q, %v; want %q", tt.o, got, err, tt.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := environment(v1.Config{Env: []string{"PATH=/bin", "A=1", "broken", "B=2"}}, Options{Env: []string{"A=3"}}, "box", user{home: "/h"})
	if diff := cmp.Diff([]string{"PATH=/bin", "HOSTNAME=box", "HOME=/h", "A=3", "B=2"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestListeningPorts(t *testing.T) {
	t.Parallel()
	table := `  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000
   1: 0100007F:0016 0100007F:C350 01 00000000:00000000 00:00000000
   3: 0100007F:0016 00000000:00000000 0A 00000000:00000000 00:00000000
   4: 00000000000000000000000001000000:0017 00000000000000000000000000000000:0000 0A 0
   5: 0000000000000000FFFF00000100007F:0018 00000000000000000000000000000000:0000 0A 0
   6: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000
   2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0
short
`
	ports := map[uint16]bool{}
	if err := parseListening(strings.NewReader(table), ports); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[uint16]bool{8080: true, 80: true, 22: false, 23: false, 24: false}, ports); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := parseListening(strings.NewReader("0: x:zz y 0A"), ports); err == nil {
		t.Error("a port that is no number is taken")
	}
}

func TestResolver(t *testing.T) {
	t.Parallel()
	host := "# by hand\nnameserver 127.0.0.53\nnameserver 9.9.9.9\nsearch a.test b.test\noptions ndots:2\n"
	if got, want := resolvConf(host, true), "nameserver 10.0.2.3\nsearch a.test b.test\noptions ndots:2\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := resolvConf(host, false); got != host {
		t.Errorf("%q, want the host's", got)
	}
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte(host), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := hostResolver(file); got != "127.0.0.53:53" {
		t.Errorf("the host's resolver is %q", got)
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	o := Options{Links: []Link{{"db", "192.0.2.9:5432", 5432}, {"cache", "127.0.0.1:6379", 6379}}}
	own := hosts(o, "box")
	for _, want := range []string{"10.0.2.15\tbox\n", "10.0.2.32\tdb\n", "10.0.2.33\tcache\n"} {
		if !strings.Contains(own, want) {
			t.Errorf("no %q in %q", want, own)
		}
	}
	o.Network.Mode = NetworkHost
	if got := hosts(o, "box"); !strings.Contains(got, "192.0.2.9\tdb\n") || strings.Contains(got, "10.0.2") {
		t.Errorf("in the host's network: %q", got)
	}
}

// TestUnpack compares what is on the disk with the archive.
func TestUnpack(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: setting owners needs root")
	}
	capability := string([]byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	when := time.Unix(1_600_000_000, 0)
	entries := []struct {
		hdr  tar.Header
		body string
	}{
		{hdr: tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: when}},
		{hdr: tar.Header{Name: "bin/su", Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 3, Gid: 4, ModTime: when}, body: "program"},
		{hdr: tar.Header{Name: "bin/mate", Typeflag: tar.TypeLink, Linkname: "bin/su"}},
		{hdr: tar.Header{Name: "bin/net", Typeflag: tar.TypeReg, Mode: 0o755, PAXRecords: map[string]string{
			"SCHILY.xattr.security.capability": capability, "SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.note": "hello",
		}}},
		{hdr: tar.Header{Name: "etc", Typeflag: tar.TypeSymlink, Linkname: "/../../../../../../etc", Uid: 9}},
		{hdr: tar.Header{Name: "etc2/passwd", Typeflag: tar.TypeReg, Mode: 0o600}, body: "mine"},
		{hdr: tar.Header{Name: "pipe", Typeflag: tar.TypeFifo, Mode: 0o622}},
		{hdr: tar.Header{Name: "disk", Typeflag: tar.TypeBlock, Mode: 0o666, Devmajor: 8}},
		{hdr: tar.Header{Name: "disk2", Typeflag: tar.TypeLink, Linkname: "disk"}},
		{hdr: tar.Header{Name: "shut/", Typeflag: tar.TypeDir, Mode: 0o1500, Uid: 5}},
		{hdr: tar.Header{Name: "shut/in", Typeflag: tar.TypeReg, Mode: 0o644}, body: "inside"},
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		e.hdr.Size = int64(len(e.body))
		if err := w.WriteHeader(&e.hdr); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(e.body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	img, err := testimage.FromTars([][]byte{b.Bytes()}, v1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := layers.Open(t.Context(), img, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	dir := t.TempDir()
	if err := unpack(t.Context(), tree, dir); err != nil {
		t.Fatal(err)
	}
	stat := func(name string) *syscall.Stat_t {
		t.Helper()
		var s syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(dir, name), &s); err != nil {
			t.Fatal(err)
		}
		return &s
	}
	su := stat("bin/su")
	if su.Mode != syscall.S_IFREG|0o4755 || su.Uid != 3 || su.Gid != 4 || su.Mtim.Sec != when.Unix() || su.Ino != stat("bin/mate").Ino {
		t.Errorf("bin/su: %+v", su)
	}
	if d := stat("bin"); d.Mtim.Sec != when.Unix() {
		t.Errorf("the directory's time is %d", d.Mtim.Sec)
	}
	if l := stat("etc"); l.Mode&syscall.S_IFMT != syscall.S_IFLNK || l.Uid != 9 {
		t.Errorf("etc: %+v", l)
	}
	if p := stat("pipe"); p.Mode != syscall.S_IFIFO|0o622 {
		t.Errorf("pipe: %o", p.Mode)
	}
	if s := stat("shut"); s.Mode != syscall.S_IFDIR|0o1500 || s.Uid != 5 {
		t.Errorf("shut: %+v", s)
	}
	for _, name := range []string{"disk", "disk2"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("the device %s was made", name)
		}
	}
	value := make([]byte, 100)
	n, err := unix.Lgetxattr(filepath.Join(dir, "bin/net"), "security.capability", value)
	if err != nil || string(value[:n]) != capability {
		t.Errorf("capability: %q, %v", value[:max(n, 0)], err)
	}
	if _, err := unix.Lgetxattr(filepath.Join(dir, "bin/net"), "trusted.overlay.opaque", value); err == nil {
		t.Error("an attribute of the overlay's was set")
	}
}

// TestUnpackStays unpacks random trees, links everywhere among them, and looks
// around the root for what does not belong there.
func TestUnpackStays(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"link a -> ..\nfile a/escaped = x",
		"link a -> /tmp\nlink b -> a\nfile b/c/escaped = x",
		"dir d\nlink d/up -> ../..\nfile d/up/escaped = x\nhard h -> d/up/escaped",
	} {
		img, err := testimage.Image(text, v1.Config{})
		if err != nil {
			t.Fatal(err)
		}
		tree, err := layers.Open(t.Context(), img, t.TempDir())
		if err != nil {
			continue // layers refuses it
		}
		outer := t.TempDir()
		root := filepath.Join(outer, "root")
		if err := os.Mkdir(root, 0o755); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() == 0 {
			if err := unpack(t.Context(), tree, root); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		if list, err := os.ReadDir(outer); err != nil || len(list) != 1 {
			t.Errorf("%q: beside the root there is %v, %v", text, list, err)
		}
		_ = tree.Close()
	}
}
