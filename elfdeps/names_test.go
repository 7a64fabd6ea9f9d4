package elfdeps_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/elfdeps"
)

func TestSharedNames(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, content string
		want          []string
	}{
		{"C string", "\x00libgcc_s.so.1\x00", []string{"libgcc_s.so.1"}},
		{"path", "/usr/lib/libpcsclite.so.1\x00", []string{"libpcsclite.so.1"}},
		{"several, sorted, once", "libb.so libab-1.2.so.3.4.5 libb.so", []string{"libab-1.2.so.3.4.5", "libb.so"}},
		{"plus", "libstdc++.so.6", []string{"libstdc++.so.6"}},
		{"unterminated", "failedlibssl.so.3libcrypto.soerror", []string{"libcrypto.so", "libssl.so.3", "libssl.so.3libcrypto.so"}},
		{"ambiguous start", "liblib.so", []string{"liblib.so"}},
		{"two starts", "libolib2.so", []string{"lib2.so", "libolib2.so"}},
		{"at both ends", "liba.so", []string{"liba.so"}},
		{"dot at the end", "liba.so.", []string{"liba.so"}},
		{"no name", "lib.so .so foo.so libfoo.s", nil},
		{"too long", "lib" + strings.Repeat("x", 200) + ".so", nil},
		{"no end of versions", "libx.so" + strings.Repeat(".1", 200), nil},
		{"empty", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := elfdeps.SharedNames(strings.NewReader(tt.content), int64(len(tt.content)))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSharedNamesAcrossChunks puts a name at every place around the boundary
// between two reads.
func TestSharedNamesAcrossChunks(t *testing.T) {
	t.Parallel()
	const chunk = 256 << 10
	name := "lib" + strings.Repeat("y", 100) + ".so.12"
	for shift := -150; shift <= 150; shift++ {
		content := strings.Repeat("\x00", chunk-shift) + name + strings.Repeat("\x00", 300)
		got, err := elfdeps.SharedNames(strings.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{name}, got); diff != "" {
			t.Fatalf("%d bytes before the boundary (-want +got):\n%s", shift, diff)
		}
	}
}

func TestSharedNamesLimit(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 70_000 {
		fmt.Fprintf(&b, "lib%d.so\x00", i)
	}
	got, err := elfdeps.SharedNames(strings.NewReader(b.String()), int64(b.Len()))
	if !errors.Is(err, elfdeps.ErrTooManyNames) || len(got) < 1<<16 {
		t.Errorf("%d names and error %v, want ErrTooManyNames", len(got), err)
	}
}

func BenchmarkSharedNames(b *testing.B) {
	content := strings.Repeat("some text without a name, but with dots...\x00", 200_000) + "liba.so.1"
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := elfdeps.SharedNames(strings.NewReader(content), int64(len(content))); err != nil {
			b.Fatal(err)
		}
	}
}
