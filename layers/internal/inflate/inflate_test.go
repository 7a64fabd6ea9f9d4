package inflate

import (
	"bytes"
	"compress/flate"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
)

// texts are contents of the kinds that layers hold.
func texts(tb testing.TB) map[string][]byte {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var words bytes.Buffer
	for words.Len() < 900_000 {
		fmt.Fprintf(&words, "usr/share/%d/%x file %s\n", r.IntN(40), r.IntN(1<<16), bytes.Repeat([]byte{'x'}, r.IntN(9)))
	}
	far := append(append([]byte("start of a long way back"), noise[:32<<10-24]...), []byte("start of a long way back")...)
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		binary = noise
	}
	return map[string][]byte{
		"empty": nil, "byte": {7}, "zeros": make([]byte, 1<<20), "noise": noise, "words": words.Bytes(), "far": far,
		"period2": bytes.Repeat([]byte("ab"), 70_000), "period7": bytes.Repeat([]byte("abcdefg"), 30_000),
		"binary": binary[:min(len(binary), 2<<20)],
	}
}

func pack(tb testing.TB, b []byte, level int) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := stdgzip.NewWriterLevel(&out, level)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func unpack(src io.Reader) ([]byte, error) {
	r, err := NewReader(src)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(onlyReader{r})
}

type onlyReader struct{ io.Reader }

func TestReadsWhatOthersWrite(t *testing.T) {
	t.Parallel()
	for name, text := range texts(t) {
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 6, 9} {
			t.Run(fmt.Sprintf("%s at %d", name, level), func(t *testing.T) {
				t.Parallel()
				packed := pack(t, text, level)
				got, err := unpack(bytes.NewReader(packed))
				if err != nil || !bytes.Equal(got, text) {
					t.Fatalf("got %d bytes and %v, want %d bytes", len(got), err, len(text))
				}
				got, err = unpack(iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(packed))))
				if err != nil || !bytes.Equal(got, text) {
					t.Fatalf("in pieces: got %d bytes and %v, want %d bytes", len(got), err, len(text))
				}
			})
		}
	}
}

func TestByteByByteAndWriteTo(t *testing.T) {
	t.Parallel()
	text := texts(t)["words"][:60_000]
	packed := pack(t, text, 6)
	got, err := unpack(iotest.OneByteReader(bytes.NewReader(packed)))
	if err != nil || !bytes.Equal(got, text) {
		t.Errorf("byte by byte: %d bytes and %v, want %d", len(got), err, len(text))
	}
	r, err := NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if n, err := r.WriteTo(&out); err != nil || n != int64(len(text)) || !bytes.Equal(out.Bytes(), text) {
		t.Errorf("WriteTo gave %d bytes and %v, want %d", n, err, len(text))
	}
}

func TestSeveralMembers(t *testing.T) {
	t.Parallel()
	all := texts(t)
	var packed, want []byte
	for _, name := range []string{"words", "empty", "noise", "period7", "zeros"} {
		packed = append(packed, pack(t, all[name], 6)...)
		want = append(want, all[name]...)
	}
	got, err := unpack(bytes.NewReader(packed))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes and %v, want %d", len(got), err, len(want))
	}
	if _, err := unpack(bytes.NewReader(append(packed, "and more"...))); !errors.Is(err, ErrHeader) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("bytes after the last member: %v", err)
	}
}

// TestMembersDoNotShareHistory: a match must not reach into the member before.
func TestMembersDoNotShareHistory(t *testing.T) {
	t.Parallel()
	first := pack(t, []byte("history"), 6)
	// A block of fixed codes: a match of length 3, distance 1, then the end.
	bad := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0x03, 0x02, 0x00, 0, 0, 0, 0, 0, 0, 0, 0}
	if _, err := unpack(bytes.NewReader(append(first, bad...))); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a match before the start of its member: %v, want %v", err, ErrCorrupt)
	}
}

func TestHeaderFields(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := stdgzip.NewWriter(&out)
	w.Name, w.Comment, w.Extra = "layer.tar", "made by a test", []byte("extra")
	if _, err := w.Write([]byte("content")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := unpack(&out); err != nil || string(got) != "content" {
		t.Errorf("got %q and %v", got, err)
	}
	long := append([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255}, bytes.Repeat([]byte{'n'}, headText+10)...)
	if _, err := unpack(bytes.NewReader(long)); !errors.Is(err, ErrHeader) {
		t.Errorf("a name without an end: %v, want %v", err, ErrHeader)
	}
}

func TestDamage(t *testing.T) {
	t.Parallel()
	text := texts(t)["words"][:50_000]
	packed := pack(t, text, 6)
	for cut := range packed {
		if cut > 400 && cut < len(packed)-400 && cut%97 != 0 {
			continue
		}
		if got, err := unpack(bytes.NewReader(packed[:cut])); !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(text, got) {
			t.Fatalf("cut at %d of %d: %d bytes, %v", cut, len(packed), len(got), err)
		}
	}
	for _, at := range []int{len(packed) - 1, len(packed) - 8} {
		flipped := bytes.Clone(packed)
		flipped[at] ^= 1
		if _, err := unpack(bytes.NewReader(flipped)); !errors.Is(err, ErrChecksum) {
			t.Errorf("byte %d of the trailer flipped: %v, want %v", at, err, ErrChecksum)
		}
	}
	broken := errors.New("the line went dead")
	src := io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(broken))
	if _, err := unpack(src); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v, want %v", err, broken)
	}
}

func FuzzReader(f *testing.F) {
	for _, text := range texts(f) {
		text = text[:min(len(text), 3000)]
		f.Add(pack(f, text, 6))
		f.Add(pack(f, text, flate.HuffmanOnly))
		f.Add(append(pack(f, text, 1), pack(f, text, 9)...))
	}
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 0x03, 0x02, 0x00})
	f.Fuzz(func(t *testing.T, packed []byte) {
		got, err := unpack(bytes.NewReader(packed))
		var want []byte
		std, wantErr := stdgzip.NewReader(bytes.NewReader(packed))
		if wantErr == nil {
			want, wantErr = io.ReadAll(std)
		}
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("got %v, compress/gzip says %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("got %d bytes, compress/gzip gives %d others", len(got), len(want))
		}
	})
}

func BenchmarkReader(b *testing.B) {
	all := texts(b)
	for _, name := range []string{"binary", "words"} {
		packed := pack(b, all[name], 6)
		run := func(open func(io.Reader) (io.Reader, error)) func(*testing.B) {
			return func(b *testing.B) {
				b.SetBytes(int64(len(all[name])))
				for range b.N {
					r, err := open(bytes.NewReader(packed))
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, r); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		b.Run(name+"/own", run(func(r io.Reader) (io.Reader, error) { return NewReader(r) }))
		b.Run(name+"/klauspost", run(func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }))
		b.Run(name+"/stdlib", run(func(r io.Reader) (io.Reader, error) { return stdgzip.NewReader(r) }))
	}
}
