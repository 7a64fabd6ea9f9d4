package profile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"sigs.k8s.io/yaml"
)

// Limits bound what [Read] accepts. A zero field means its default, which is
// far above real profiles.
type Limits struct {
	Bytes       int64 // of the input, decompressed; default 256 MiB
	YAMLBytes   int64 // of YAML, which needs much more memory; default 16 MiB
	Entries     int   // objects in lists; default 1,000,000
	Values      int   // members of lists and maps together; default 8,000,000
	StringBytes int   // of one string; default 64 KiB
	Documents   int   // in one YAML file; default 1,000
}

func (l Limits) withDefaults() Limits {
	l.Bytes = orDefault(l.Bytes, 256<<20)
	l.YAMLBytes = orDefault(l.YAMLBytes, 16<<20)
	l.Entries = orDefault(l.Entries, 1_000_000)
	l.Values = orDefault(l.Values, 8_000_000)
	l.StringBytes = orDefault(l.StringBytes, 64<<10)
	l.Documents = orDefault(l.Documents, 1_000)
	return l
}

func orDefault[T int | int64](n, standard T) T {
	if n <= 0 {
		return standard
	}
	return n
}

// ErrForeign is returned by [Read] for documents of another kind or version,
// which an importer may know.
var ErrForeign = errors.New("not a " + Kind + " of " + APIVersion)

// Read reads one profile in JSON, or one or several in YAML, which it merges;
// plain or compressed with gzip or zstd. The result is valid and sorted. Errors
// name the field, or for syntax the line.
func Read(r io.Reader, lim Limits) (*Profile, error) {
	lim = lim.withDefaults()
	data, err := readPlain(r, lim.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the profile: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if err := checkText(data); err != nil {
		return nil, fmt.Errorf("reading the profile: %w", err)
	}
	var ps []*Profile
	if first := bytes.TrimLeft(data, " \t\r\n"); len(first) > 0 && first[0] == '{' {
		p, err := decodeProfile(data, lim, false)
		if err != nil {
			return nil, fmt.Errorf("reading the profile: %w", err)
		}
		ps = append(ps, p)
	} else if ps, err = readYAML(data, lim); err != nil {
		return nil, fmt.Errorf("reading the profile: %w", err)
	}
	return Merge(ps...)
}

// readPlain reads all of r, decompressed according to its first bytes.
func readPlain(r io.Reader, limit int64) ([]byte, error) {
	in := bufio.NewReader(r)
	magic, err := in.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var plain io.Reader = in
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("decompressing gzip: %w", err)
		}
		plain = z
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(32<<20))
		if err != nil {
			return nil, fmt.Errorf("decompressing zstd: %w", err)
		}
		defer z.Close()
		plain = z
	}
	data, err := io.ReadAll(io.LimitReader(plain, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("it is larger than %d bytes", limit)
	}
	return data, nil
}

// checkText refuses what a JSON decoder would silently replace: bytes that are
// not UTF-8 and escaped halves of surrogate pairs.
func checkText(data []byte) error {
	if !utf8.Valid(data) {
		for i := 0; i < len(data); {
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				return fmt.Errorf("line %d: it is not UTF-8", lineOf(data, int64(i)))
			}
			i += size
		}
	}
	for i := 0; ; i += 2 {
		next := bytes.IndexByte(data[i:], '\\')
		if next < 0 || i+next+1 >= len(data) {
			return nil
		}
		i += next
		if data[i+1] != 'u' {
			continue
		}
		half, pair := surrogate(data[i+2:])
		if half {
			return fmt.Errorf("line %d: half of a surrogate pair", lineOf(data, int64(i)))
		}
		if pair {
			i += 6
		}
	}
}

// surrogate reports whether the four hex digits of an escape at the start of s
// are one half of a surrogate pair only, or the first of one that is whole.
func surrogate(s []byte) (half, pair bool) {
	unit, low := hex4(s), -1
	if unit >= 0xd800 && unit < 0xdc00 && len(s) > 5 && s[4] == '\\' && s[5] == 'u' {
		low = hex4(s[6:])
	}
	pair = low >= 0xdc00 && low < 0xe000
	return unit >= 0xd800 && unit < 0xe000 && !pair, pair
}

// hex4 is the value of four hex digits at the start of s, or -1.
func hex4(s []byte) int {
	if len(s) < 4 {
		return -1
	}
	n := 0
	for _, c := range s[:4] {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | int(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n<<4 | int(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return n
}

// lineOf is the number of the line that holds the byte at offset.
func lineOf(data []byte, offset int64) int {
	offset = min(max(offset, 0), int64(len(data)))
	return 1 + bytes.Count(data[:offset], []byte("\n"))
}

// readYAML reads the documents of a YAML stream.
func readYAML(data []byte, lim Limits) ([]*Profile, error) {
	if int64(len(data)) > lim.YAMLBytes {
		return nil, fmt.Errorf("it is YAML and larger than %d bytes: convert it to JSON", lim.YAMLBytes)
	}
	docs := SplitYAML(data)
	if len(docs) == 0 {
		return nil, errors.New("it is empty")
	}
	if len(docs) > lim.Documents {
		return nil, fmt.Errorf("it has more than %d documents", lim.Documents)
	}
	var ps []*Profile
	for i, doc := range docs {
		p, err := readYAMLDocument(doc, &lim)
		if err != nil {
			if len(docs) > 1 {
				err = fmt.Errorf("document %d, after line %d: %w", i+1, doc.Line, err)
			}
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, nil
}

func readYAMLDocument(doc YAMLDocument, lim *Limits) (*Profile, error) {
	data, err := yaml.YAMLToJSONStrict(doc.Text)
	if err != nil {
		if line, what := doc.Locate(err); line > 0 {
			err = fmt.Errorf("line %d: %w", line, what)
		}
		return nil, err
	}
	if int64(len(data)) > lim.Bytes {
		return nil, fmt.Errorf("its aliases expand to more than %d bytes", lim.Bytes)
	}
	p, err := decodeProfile(data, *lim, true)
	if err != nil {
		var at *syntaxError
		if errors.As(err, &at) {
			err = at.err // the line is one of the converted text
		}
		return nil, err
	}
	lim.Bytes -= int64(len(data))
	return p, nil
}

// YAMLDocument is one document of a stream and the number of lines above it.
type YAMLDocument struct {
	Text []byte
	Line int
}

// Locate takes the line out of an error that a YAML decoder gives for the
// document, and makes it one of the stream; 0 where the error has none.
func (d YAMLDocument) Locate(err error) (line int, what error) {
	text, ok := strings.CutPrefix(err.Error(), "yaml: line ")
	number, rest, found := strings.Cut(text, ": ")
	if n, wrong := strconv.Atoi(number); ok && found && wrong == nil {
		return d.Line + n, errors.New(rest)
	}
	return 0, err
}

// SplitYAML cuts a stream at its document markers, which YAML allows nowhere
// but at the start of a line. Documents of comments and spaces only are left
// out.
func SplitYAML(data []byte) []YAMLDocument {
	var docs []YAMLDocument
	var text []byte
	start, line := 0, 0
	end := func() {
		if hasContent(text) {
			docs = append(docs, YAMLDocument{text, start})
		}
		text = nil
	}
	for rest := data; len(rest) > 0; line++ {
		var l []byte
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			l, rest = rest[:i+1], rest[i+1:]
		} else {
			l, rest = rest, nil
		}
		switch {
		case isMarker(l, "---"):
			end()
			start = line
			text = append([]byte("   "), l[3:]...)
		case isMarker(l, "..."):
			end()
			start = line + 1
		default:
			text = append(text, l...)
		}
	}
	end()
	return docs
}

func isMarker(line []byte, marker string) bool {
	return bytes.HasPrefix(line, []byte(marker)) && (len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0)
}

func hasContent(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return true
		}
	}
	return false
}
