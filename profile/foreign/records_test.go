package foreign

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/lathe-build/lathe/profile"
)

func open(t testing.TB, name, text string) *Input {
	t.Helper()
	in, err := Open(name, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	return in
}

// read lists the records of a text, "LINE:JSON", and the notes about damage.
func read(t testing.TB, text string) (records, notes []string, err error) {
	t.Helper()
	log := NewLog("test", []*Input{open(t, "f", text)}, Options{})
	err = log.Records(context.Background(), func(rec Record) error {
		var value struct{ A *int }
		if err := Decode(rec.Data, &value); err != nil {
			return err
		}
		if value.A == nil {
			return errors.New("no a")
		}
		records = append(records, fmt.Sprintf("%d:%d", rec.Line, *value.A))
		return nil
	})
	return records, log.Source().Notes, err
}

func TestRecords(t *testing.T) {
	t.Parallel()
	long := `{"x":"` + strings.Repeat("y", 5<<20) + `"}`
	for name, tc := range map[string]struct {
		text    string
		records []string
		notes   []string
		err     string
	}{
		"lines":              {"{\"a\":1}\n{\"a\":2}\n", []string{"1:1", "2:2"}, nil, ""},
		"no end of line":     {"\n\n{\"a\":1}\r\n\r\n  {\"a\":2}", []string{"3:1", "5:2"}, nil, ""},
		"byte order mark":    {"\ufeff{\"a\":1}\n{\"a\":2}", []string{"1:1", "2:2"}, nil, ""},
		"pretty":             {"{\n  \"a\": 1,\n \"s\":\"}\"}\n{\n  \"a\": 2\n}\n", []string{"1:1", "4:2"}, nil, ""},
		"concatenated":       {`{"a":1}{"a":2} {"a":3}`, []string{"1:1", "1:2", "1:3"}, nil, ""},
		"array":              {"[{\"a\":1},\n{\"a\":2}]\n", []string{"1:1", "2:2"}, nil, ""},
		"pretty array":       {"[\n  {\n    \"a\": 1,\n    \"b\": [{\"a\": 9}]\n  },\n  {\n    \"a\": 2\n  }\n]\n", []string{"2:1", "6:2"}, nil, ""},
		"arrays":             {"[{\"a\":1}]\n[]\n[{\"a\":2}]", []string{"1:1", "3:2"}, nil, ""},
		"escapes":            {"{\"x\":\"\\\\\",\"y\":\"\\\"}\",\"a\":1}{\"a\":2}", []string{"1:1", "1:2"}, nil, ""},
		"empty":              {"", nil, nil, "the input is empty"},
		"empty array":        {"[]", nil, nil, "the input is empty"},
		"nothing good":       {"{\"b\":1}\n", nil, []string{`skipped "f", line 1: no a`}, `none of its 1 records is of this format: "f", line 1: no a`},
		"cut off":            {"{\"a\":1}\n{\"a\":2", []string{"1:1"}, []string{`skipped "f", line 2: not JSON at byte 6: unexpected EOF`}, ""},
		"cut off first":      {"{\"a\":1,\"b\":\"x\n{\"a\":2}\n", []string{"2:2"}, []string{`skipped "f", line 1: it is not whole`}, ""},
		"cut off pretty":     {"{\n  \"a\": 1,\n{\n  \"a\": 2\n}\n{\n", []string{"3:2"}, []string{`skipped "f", line 1: it is not whole`, `skipped "f", line 6: it is not whole`}, ""},
		"text in between":    {"{\n\"a\":1}\nlost 3 events\n{\n\"a\":2}", []string{"1:1", "4:2"}, []string{`skipped "f", line 3: it is not JSON`}, ""},
		"text between lines": {"{\"a\":1}\nlost 3 events\n{\"a\":2}", []string{"1:1", "3:2"}, []string{`skipped "f", line 2: not JSON at byte 0: invalid character 'l' at start of value`}, ""},
		"wrong type":         {"{\"a\":1}\n{\"a\":\"x\"}\n{\"A\":3}", []string{"1:1", "3:3"}, []string{`skipped "f", line 2: /a: a string does not fit`}, ""},
		"two on a line":      {"{\"a\":1}\n{\"a\":2}{\"a\":3}\n", []string{"1:1"}, []string{`skipped "f", line 2: not JSON at byte 7: invalid character '{' after top-level value`}, ""},
		"long line":          {"{\"a\":1}\n" + long + "\n{\"a\":2}\n", []string{"1:1", "3:2"}, []string{`skipped "f", line 2: it is longer than 4194304 bytes`}, ""},
		"long pretty": {
			"{\n\"x\": [\n" + strings.Repeat("[1],\n", 1<<20) + "  {\"a\": 9}\n]}\n{\n\"a\": 2\n}\n",
			[]string{fmt.Sprint(1<<20+5, ":2")},
			[]string{`skipped "f", line 1: it is longer than 4194304 bytes`},
			"",
		},
		"long to the end": {
			"{\"a\":1,\n\"b\":1}\n{\n\"x\": [\n" + strings.Repeat("[1],\n", 1<<20) + "  {\"a\": 9},\n",
			[]string{"1:1"},
			[]string{`skipped "f", line 3: it is longer than 4194304 bytes`},
			"",
		},
		"long, and the next at the margin": {
			"{\n\"x\": [\n" + strings.Repeat("[1],\n", 1<<20) + "{\n\"a\": 2\n}\n",
			[]string{fmt.Sprint(1<<20+3, ":2")},
			[]string{`skipped "f", line 1: it is longer than 4194304 bytes`},
			"",
		},
		"deep": {strings.Repeat(`{"a":`, 20_000) + "\n{\"a\":2}\n", []string{"2:2"}, []string{`skipped "f", line 1: not JSON at byte 50000: exceeded max depth`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records, notes, err := read(t, tc.text)
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
			if diff := cmp.Diff(tc.records, records); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.notes, notes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A hundred megabytes without an end of line take no more memory than a record.
func TestRecordsEndlessLine(t *testing.T) {
	t.Parallel()
	endless := io.MultiReader(strings.NewReader("{\"a\":1}\n{\"x\":\""), io.LimitReader(letters{}, 100<<20), strings.NewReader("\"}\n{\"a\":2}\n"))
	in, err := Open("f", endless)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s := newSplitter(in, maxRecord)
	good, bad := 0, 0
	err = s.each(context.Background(), func(Record) error { good++; return nil }, func(Record, error) { bad++ })
	if err != nil || good != 2 || bad != 1 {
		t.Errorf("%d good, %d bad, %v", good, bad, err)
	}
	if cap(s.buffer) > 2*maxRecord || in.Bytes() < 100<<20 {
		t.Errorf("a buffer of %d bytes for %d", cap(s.buffer), in.Bytes())
	}
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestMaxRecords(t *testing.T) {
	t.Parallel()
	for most, want := range map[int64]string{2: `"f", line 3: it holds more than 2 records`, 3: "", -1: ""} {
		log := NewLog("test", []*Input{open(t, "f", "{}\n{}\n{}\n")}, Options{MaxRecords: most})
		err := log.Records(context.Background(), func(Record) error { return nil })
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", most, err)
		}
	}
}

func TestFatal(t *testing.T) {
	t.Parallel()
	log := NewLog("test", []*Input{open(t, "f", "{}\n{}\n")}, Options{})
	err := log.Records(context.Background(), func(Record) error { return Fatal(errors.New("too much")) })
	if err == nil || err.Error() != `importing test: "f", line 1: too much` {
		t.Errorf("%v", err)
	}
	if Fatal(nil) != nil {
		t.Error("no error is one")
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	log := NewLog("test", []*Input{open(t, "f", "{}\n")}, Options{})
	if err := log.Records(ctx, func(Record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// A log and the same log compressed are one source.
func TestOpenCompressed(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("{\"a\":1}\n", 1000)
	var gz, zst bytes.Buffer
	z := gzip.NewWriter(&gz)
	io.WriteString(z, text)
	z.Close()
	y, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(y, text)
	y.Close()
	var want string
	for name, raw := range map[string]string{"x.log": text, "x.log.gz": gz.String(), "x.log.zst": zst.String()} {
		in := open(t, name, raw)
		log := NewLog("test", []*Input{in}, Options{})
		n := 0
		if err := log.Records(context.Background(), func(Record) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(log.Source().Input, n, in.Name())
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// Of a compressed file that is cut off or damaged, what comes before counts. What
// cannot be read at all is an error.
func TestDamagedCompression(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&text, "{\"a\":%d}\n", i*i)
	}
	var gz, zst bytes.Buffer
	z := gzip.NewWriter(&gz)
	io.WriteString(z, text.String())
	z.Close()
	y, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(y, text.String())
	y.Close()
	read := func(in *Input) (int, profile.Source, error) {
		log, n := NewLog("test", []*Input{in}, Options{}), 0
		err := log.Records(t.Context(), func(Record) error { n++; return nil })
		return n, log.Source(), err
	}
	flipped := bytes.Clone(gz.Bytes())
	flipped[len(flipped)-6] ^= 1
	for name, raw := range map[string][]byte{
		"half.gz": gz.Bytes()[:gz.Len()/2], "half.zst": zst.Bytes()[:zst.Len()/2], "sum.gz": flipped,
		"trailing.gz": append(bytes.Clone(gz.Bytes()), "garbage"...),
	} {
		n, source, err := read(open(t, name, string(raw)))
		if err != nil || n < 20_000 || source.Input.Skipped != 1 || !strings.Contains(strings.Join(source.Notes, ""), "the compressed file is cut off or damaged") {
			t.Errorf("%s: %d records, %v, notes %q", name, n, err, source.Notes)
		}
	}
	broken := errors.New("the disk is gone")
	in, err := Open("x.gz", io.MultiReader(bytes.NewReader(gz.Bytes()[:gz.Len()/2]), iotest.ErrReader(broken)))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, _, err := read(in); !errors.Is(err, broken) {
		t.Errorf("a disk that is gone: %v", err)
	}
	if _, err := Open("x.gz", bytes.NewReader(gz.Bytes()[:12])); !errors.Is(err, ErrDamaged) {
		t.Errorf("nothing but a header: %v", err)
	}
}

func FuzzRecords(f *testing.F) {
	f.Add("{\"a\":1}\n{\"a\":2}")
	f.Add("[{\"a\":1},{\n\"a\":2}]")
	f.Add("{\n\"a\":\"\\\"\n{}")
	f.Fuzz(func(t *testing.T, text string) {
		in := open(t, "f", text)
		Shapes(in.Head())
		var size int
		err := newSplitter(in, maxRecord).each(context.Background(), func(rec Record) error {
			size += len(rec.Data)
			return nil
		}, func(Record, error) {})
		if err != nil || size > len(text) {
			t.Errorf("%d of %d bytes, %v", size, len(text), err)
		}
		if in.Bytes() != int64(len(text)) {
			t.Errorf("%d of %d bytes were read", in.Bytes(), len(text))
		}
	})
}
