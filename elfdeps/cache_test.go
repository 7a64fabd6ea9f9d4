package elfdeps_test

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/elfdeps"
)

func TestCacheFormats(t *testing.T) {
	t.Parallel()
	le, be := binary.ByteOrder(binary.LittleEndian), binary.ByteOrder(binary.BigEndian)
	pair := []string{"liba.so", "/opt/liba.so"}
	other := []string{"liba.so", "/other/liba.so"}
	good := newCache(le, 2, pair...)
	tests := []struct {
		name  string
		cache []byte
		found bool
	}{
		{"new", good, true},
		{"new without a byte order", newCache(le, 0, pair...), true},
		{"new, big endian", newCache(be, 3, pair...), true},
		{"new, big endian without a byte order", newCache(be, 0, pair...), true},
		{"new, byte order does not fit", newCache(be, 2, pair...), false},
		{"old", oldCache(le, nil, pair...), true},
		{"old, big endian", oldCache(be, nil, pair...), true},
		{"old before new", oldCache(le, good, other...), true},
		{"two entries", newCache(le, 2, append([]string{"libx.so", "/x"}, pair...)...), true},
		{"relative path", newCache(le, 2, "liba.so", "opt/liba.so"), false},
		{"cut in the strings", good[:len(good)-1], false},
		{"cut in the table", good[:60], false},
		{"cut in the header", good[:30], false},
		{"cut old", []byte("ld.so-1.7.0\x00"), false},
		{"old with a wrong count", []byte("ld.so-1.7.0\x00\xff\xff\xff\xff"), false},
		{"text", []byte("/opt/liba.so"), false},
		{"empty", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			elfs := with(libs("opt/liba.so", "other/liba.so"), "bin/p", needs("liba.so"))
			l, err := elfdeps.New(tree(elfs, map[string]string{"etc/ld.so.cache": string(tt.cache)}))
			if err != nil {
				t.Fatal(err)
			}
			f, err := l.File("bin/p")
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if tt.found {
				want = []string{"opt/liba.so"}
			}
			if diff := cmp.Diff(want, l.Find("liba.so", f, "bin/p", nil)); diff != "" {
				t.Errorf("Find (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzCache(f *testing.F) {
	le, be := binary.ByteOrder(binary.LittleEndian), binary.ByteOrder(binary.BigEndian)
	f.Add(newCache(le, 2, "liba.so", "/opt/liba.so"), "/opt\ninclude x\n")
	f.Add(newCache(be, 0, "liba.so", "/../liba.so"), "include ../*\n")
	f.Add(oldCache(le, newCache(le, 2, "liba.so", "/a"), "liba.so", "/opt/liba.so"), "include *\n")
	f.Add(oldCache(be, nil, "liba.so", "/opt/liba.so"), "include ld.so.conf\n")
	f.Fuzz(func(t *testing.T, cache []byte, conf string) {
		root := tree(with(libs("opt/liba.so"), "bin/p", needs("liba.so")), map[string]string{
			"etc/ld.so.cache": string(cache), "etc/ld.so.conf": conf, "etc/ld-musl-x86_64.path": conf,
		})
		l, err := elfdeps.New(root)
		if err != nil {
			t.Fatal(err)
		}
		deps, _, err := l.Deps("bin/p", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range deps {
			if _, there := root[d.Path]; d.Path != "" && !there {
				t.Errorf("found %q where nothing is", d.Path)
			}
		}
	})
}
