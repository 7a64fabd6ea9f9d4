package foreign

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/lathe-build/lathe/profile"
)

const (
	headBytes  = 64 << 10
	zstdWindow = 32 << 20
)

// Input is one file of evidence, decompressed as it is read.
type Input struct {
	name  string
	in    *bufio.Reader
	head  []byte
	sum   hash.Hash
	bytes int64
	close func()
}

// ErrDamaged is what reading a compressed file ends with where it is cut off or
// damaged. What came before it is good.
var ErrDamaged = errors.New("the compressed file is cut off or damaged")

// source remembers an error of reading, to tell it from one of decompressing.
type source struct {
	in  io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// inflater makes errors of decompressing [ErrDamaged].
type inflater struct {
	in   io.Reader
	from *source
}

func (i inflater) Read(p []byte) (int, error) {
	n, err := i.in.Read(p)
	if err != nil && !errors.Is(err, io.EOF) && i.from.err == nil {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return n, err
}

// Open looks at the first bytes of a file and decompresses gzip and zstd. Name
// is for messages and, for some formats, tells something. The input has to be
// closed; r stays the caller's.
func Open(name string, r io.Reader) (*Input, error) {
	from := &source{in: r}
	raw := bufio.NewReaderSize(from, headBytes)
	magic, err := raw.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %q: %w", name, err)
	}
	in := &Input{name: name, in: raw, sum: sha256.New(), close: func() {}}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, fmt.Errorf("decompressing %q: %w", name, err)
		}
		in.in, in.name = bufio.NewReaderSize(inflater{z, from}, headBytes), strings.TrimSuffix(name, ".gz")
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, fmt.Errorf("decompressing %q: %w", name, err)
		}
		in.in, in.name, in.close = bufio.NewReaderSize(inflater{z, from}, headBytes), strings.TrimSuffix(name, ".zst"), z.Close
	}
	head, err := in.in.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return nil, fmt.Errorf("reading %q: %w", name, err)
	}
	in.head = bytes.Clone(head)
	return in, nil
}

// Close lets go of what [Open] made.
func (in *Input) Close() { in.close() }

// Name is the name of the file, without the ending of a compressed one.
func (in *Input) Name() string { return in.name }

// Head is the first bytes of the file, up to 64 KiB.
func (in *Input) Head() []byte { return in.head }

// Read reads the file, decompressed.
func (in *Input) Read(p []byte) (int, error) {
	n, err := in.in.Read(p)
	in.seen(p[:n])
	return n, err
}

// seen counts and sums what was read.
func (in *Input) seen(p []byte) {
	in.bytes += int64(len(p))
	in.sum.Write(p)
}

// Bytes is how much was read of the file, decompressed.
func (in *Input) Bytes() int64 { return in.bytes }

// Sum is the SHA-256 of what was read of the file, decompressed, in hex.
func (in *Input) Sum() string { return hex.EncodeToString(in.sum.Sum(nil)) }

// Describe is the description of all files of a recording after they were read:
// their format, the bytes of all, and the SHA-256 of the only file, or of the
// sorted sums of several.
func Describe(format string, inputs []*Input, opts Options) profile.Input {
	d := profile.Input{Format: format, Importer: opts.Importer}
	var sums []string
	for _, in := range inputs {
		d.Bytes += in.bytes
		sums = append(sums, in.Sum())
	}
	if len(sums) == 1 {
		d.SHA256 = sums[0]
		return d
	}
	slices.Sort(sums)
	all := sha256.Sum256([]byte(strings.Join(sums, "\n") + "\n"))
	d.SHA256 = hex.EncodeToString(all[:])
	return d
}
