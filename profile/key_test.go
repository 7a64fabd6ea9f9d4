package profile

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestKey(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path   Path
		applet string
		want   string
	}{
		{"/bin/sh", "", "/bin/sh"},
		{"/bin/busybox", "sh", "/bin/busybox::sh"},
		{"/a:b", "", "/a:b"},
		{"/a::b", "", "/a%3A%3Ab"},
		{"/a:", "b", "/a%3A::b"},
		{"/a", ":b", "/a::%3Ab"},
		{"/100%", "::", "/100%25::%3A%3A"},
		{"/latin1/\xe9", "", "/latin1/%E9"},
		{"/new\nline", "é", "/new%0Aline::é"},
	} {
		got := Key(tc.path, tc.applet)
		if got != tc.want {
			t.Errorf("Key(%q, %q) is %q, want %q", tc.path, tc.applet, got, tc.want)
		}
		if path, applet := SplitKey(got); path != tc.path || applet != tc.applet {
			t.Errorf("SplitKey(%q) is %q, %q", got, path, applet)
		}
	}
}

func TestApplet(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		path        Path
		argv0, want string
	}{
		{"/bin/busybox", "/bin/ls", "ls"},
		{"/bin/busybox", "busybox", ""},
		{"/bin/sh", "-sh", ""},
		{"/bin/dash", "sh", "sh"},
		{"/bin/sh", "", ""},
		{"/bin/sh", "/", ""},
		{"/bin/sh", "-", ""},
		{"/bin/sh", "a\x00b", ""},
		{"/bin/sh", "\xff", "\ufffd"},
	} {
		if got := Applet(tc.path, tc.argv0); got != tc.want {
			t.Errorf("Applet(%q, %q) is %q, want %q", tc.path, tc.argv0, got, tc.want)
		}
	}
}

func FuzzKey(f *testing.F) {
	f.Add("/a::%", ":\xff")
	f.Add("", "")
	f.Add("/a:", "")
	f.Fuzz(func(t *testing.T, path, applet string) {
		key := Key(Path(path), applet)
		if !utf8.ValidString(key) || strings.ContainsAny(key, "\x00\n") {
			t.Errorf("the key %q is not text", key)
		}
		if p, a := SplitKey(key); string(p) != path || a != applet {
			t.Errorf("%q %q became %q %q", path, applet, p, a)
		}
	})
}
