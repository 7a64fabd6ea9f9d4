package image

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestVerified(t *testing.T) {
	t.Parallel()
	const good = "the content of a blob"
	broken := errors.New("broken")
	for _, tc := range []struct {
		name, content string
		end           error // instead of io.EOF
		want          string
	}{
		{"good", good, nil, ""},
		{"truncated", good[:10], nil, "truncated: 10 of 21 bytes"},
		{"empty", "", nil, "truncated: 0 of 21 bytes"},
		{"longer", good + "!", nil, "longer than its 21 bytes"},
		{"other", strings.Replace(good, "c", "C", 1), nil, "other content"},
		{"broken", good[:10], broken, "broken"},
		{"broken after the end", good, broken, "broken"},
	} {
		for kind, wrap := range map[string]func(io.Reader) io.Reader{
			"plain":    func(r io.Reader) io.Reader { return r },
			"one byte": iotest.OneByteReader,
			"data err": iotest.DataErrReader,
			"half":     iotest.HalfReader,
		} {
			t.Run(tc.name+" "+kind, func(t *testing.T) {
				t.Parallel()
				src := io.Reader(strings.NewReader(tc.content))
				if tc.end != nil {
					src = io.MultiReader(src, iotest.ErrReader(tc.end))
				}
				r := verified(io.NopCloser(wrap(src)), digestOf([]byte(good)), int64(len(good)))
				got, err := io.ReadAll(r)
				if tc.want != "" {
					wantErr(t, err, tc.want)
					if _, again := r.Read(make([]byte, 1)); again == nil || errors.Is(again, io.EOF) {
						t.Errorf("a second read ends in %v", again)
					}
					return
				}
				if err != nil || string(got) != good {
					t.Errorf("got %q, %v", got, err)
				}
			})
		}
	}
}

// A reader that asks for exactly the right number of bytes is told as well.
func TestVerifiedWithoutReadingTheEnd(t *testing.T) {
	t.Parallel()
	r := verified(io.NopCloser(strings.NewReader("wrong")), digestOf([]byte("right")), 5)
	if _, err := io.ReadFull(r, make([]byte, 5)); err == nil {
		t.Error("the last bytes came unchecked")
	}
}

func TestVerifiedEmptyBlob(t *testing.T) {
	t.Parallel()
	got, err := io.ReadAll(verified(io.NopCloser(bytes.NewReader(nil)), digestOf(nil), 0))
	if err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
	_, err = io.ReadAll(verified(io.NopCloser(bytes.NewReader(nil)), digestOf([]byte("x")), 0))
	wantErr(t, err, "other content")
}

func TestParseDigest(t *testing.T) {
	t.Parallel()
	if h, err := parseDigest("sha256:" + hexA); err != nil || h != digestA {
		t.Errorf("got %v, %v", h, err)
	}
	for _, bad := range []string{"", "sha256:", "sha256:" + hexA[1:], "sha256:" + hexA + "a", "sha256:" + strings.ToUpper(hexA), "sha512:" + hexA, "sha256:../" + hexA[3:]} {
		if _, err := parseDigest(bad); err == nil {
			t.Errorf("%q is taken for a digest", bad)
		}
	}
}
