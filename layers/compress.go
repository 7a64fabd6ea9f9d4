package layers

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

const (
	gzipBlock = 1 << 20 // input bytes of one block: part of the output format, never change it lightly
	gzipDict  = 32 << 10
	gzipLevel = 6
)

// layerWriter writes one layer's archive: diff ID, compression, digest and file
// in one pass.
type layerWriter struct {
	file   *os.File
	buf    *bufio.Writer
	diff   hash.Hash
	digest hash.Hash
	size   int64 // bytes of the blob
	raw    int64 // bytes of the archive
	kind   Compression
	inner  io.WriteCloser
	copy   []byte
}

func newLayerWriter(dir string, c Compression, slots chan struct{}) (*layerWriter, error) {
	f, err := scratch(dir)
	if err != nil {
		return nil, err
	}
	w := &layerWriter{
		file: f, buf: bufio.NewWriterSize(f, 256<<10), diff: sha256.New(), digest: sha256.New(),
		kind: c, copy: make([]byte, 256<<10),
	}
	switch c {
	case Gzip:
		w.inner = newBlockGzip(blobSink{w}, slots)
	case Zstd:
		w.inner, err = zstd.NewWriter(blobSink{w}, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(4<<20))
	case Uncompressed:
		w.inner = nopCloser{blobSink{w}}
	default:
		err = fmt.Errorf("unknown compression %q", c)
	}
	if err != nil {
		w.abort()
		return nil, fmt.Errorf("starting compression: %w", err)
	}
	return w, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// blobSink takes the compressed bytes.
type blobSink struct{ w *layerWriter }

func (b blobSink) Write(p []byte) (int, error) {
	b.w.digest.Write(p)
	b.w.size += int64(len(p))
	return b.w.buf.Write(p)
}

// Write takes bytes of the archive.
func (w *layerWriter) Write(p []byte) (int, error) {
	w.diff.Write(p)
	w.raw += int64(len(p))
	n, err := w.inner.Write(p)
	if err != nil {
		return n, fmt.Errorf("writing a layer to a temporary file: %w", err)
	}
	return n, nil
}

func (w *layerWriter) copyFrom(r io.Reader) error {
	_, err := io.CopyBuffer(onlyWriter{w}, onlyReader{r}, w.copy)
	return err
}

type onlyWriter struct{ io.Writer }

// copyAll takes a whole archive as it is.
func (w *layerWriter) copyAll(ctx context.Context, in *spooled) error {
	return w.copyFrom(&contextReader{ctx, io.NewSectionReader(in.tar, 0, in.tarSize)})
}

func (w *layerWriter) finish() (*outLayer, error) {
	inner := w.inner
	w.inner = nil // closed once, whatever comes of it
	if err := inner.Close(); err != nil {
		return nil, fmt.Errorf("writing a layer to a temporary file: %w", err)
	}
	if err := w.buf.Flush(); err != nil {
		return nil, fmt.Errorf("writing a layer to a temporary file: %w", err)
	}
	return &outLayer{
		blob: w.file, size: w.size, compression: w.kind, owned: true,
		digest: sha(w.digest), diffID: sha(w.diff),
	}, nil
}

func sha(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

func (w *layerWriter) abort() {
	if w.inner != nil {
		_ = w.inner.Close() // its output goes with the file
	}
	_ = w.file.Close() // an unlinked scratch file
}

// blockGzip writes one gzip member. The input is cut into blocks of a fixed
// size, each compressed on its own with the 32 KiB before it as dictionary, so
// blocks can be compressed in parallel and the bytes do not depend on how many
// are at a time. It is what pigz does; the format is RFC 1952 and RFC 1951.
type blockGzip struct {
	w     io.Writer
	slots chan struct{}
	block *gzipTask
	queue chan *gzipTask
	done  chan error
	crc   uint32
	n     uint32
	dict  []byte
}

type gzipTask struct {
	in, dict []byte
	out      []byte
	err      error
	ready    chan struct{}
}

//nolint:gochecknoglobals // pools hold no state that anybody can see
var (
	blockPool = sync.Pool{New: func() any { b := make([]byte, 0, gzipBlock); return &b }}
	flatePool = sync.Pool{New: func() any { w, _ := flate.NewWriter(io.Discard, gzipLevel); return w }}
)

// newBlockGzip compresses at most cap(slots) blocks at a time; slots is shared
// by the layers that are written side by side.
func newBlockGzip(w io.Writer, slots chan struct{}) *blockGzip {
	z := &blockGzip{w: w, slots: slots, queue: make(chan *gzipTask, cap(slots)), done: make(chan error, 1)}
	go z.drain()
	return z
}

// drain writes finished blocks in order.
func (z *blockGzip) drain() {
	_, err := z.w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}) // no name, no time, unknown system
	for t := range z.queue {
		<-t.ready
		if err == nil {
			err = t.err
		}
		if err == nil {
			_, err = z.w.Write(t.out)
		}
		in := t.in[:0]
		blockPool.Put(&in)
		out := t.out[:0]
		blockPool.Put(&out)
	}
	z.done <- err
}

func (z *blockGzip) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if z.block == nil {
			z.block = &gzipTask{in: getBlock(), dict: z.dict, ready: make(chan struct{})}
		}
		n := min(len(p), gzipBlock-len(z.block.in))
		z.block.in = append(z.block.in, p[:n]...)
		p = p[n:]
		if len(z.block.in) == gzipBlock {
			z.submit()
		}
	}
	return total, nil
}

func getBlock() []byte {
	b, ok := blockPool.Get().(*[]byte)
	if !ok {
		return make([]byte, 0, gzipBlock)
	}
	return (*b)[:0]
}

func (z *blockGzip) submit() {
	t := z.block
	z.block = nil
	z.crc = crc32.Update(z.crc, crc32.IEEETable, t.in)
	z.n += uint32(len(t.in)) //nolint:gosec // RFC 1952 wants the size modulo 2^32
	z.dict = append([]byte(nil), t.in[max(0, len(t.in)-gzipDict):]...)
	z.slots <- struct{}{}
	z.queue <- t
	go func() {
		t.compress()
		<-z.slots
		close(t.ready)
	}()
}

func (t *gzipTask) compress() {
	out := sliceWriter{getBlock()}
	fw, ok := flatePool.Get().(*flate.Writer)
	if !ok {
		t.err = errors.New("starting deflate")
		return
	}
	defer flatePool.Put(fw)
	fw.ResetDict(&out, t.dict)
	if _, t.err = fw.Write(t.in); t.err == nil {
		t.err = fw.Flush()
	}
	t.out = out.b
}

type sliceWriter struct{ b []byte }

func (s *sliceWriter) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// Close ends the member: a last empty block, the checksum and the size.
func (z *blockGzip) Close() error {
	if z.block != nil {
		z.submit()
	}
	close(z.queue)
	if err := <-z.done; err != nil {
		return err
	}
	tail := []byte{0x03, 0x00} // a final block of fixed codes with nothing in it
	tail = binary.LittleEndian.AppendUint32(tail, z.crc)
	tail = binary.LittleEndian.AppendUint32(tail, z.n)
	_, err := z.w.Write(tail)
	return err
}
