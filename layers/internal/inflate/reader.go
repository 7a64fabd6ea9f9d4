package inflate

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// Errors of a stream. What a source returns is passed on as it is.
var (
	ErrHeader   = errors.New("gzip: the bytes are not a gzip header")
	ErrChecksum = errors.New("gzip: the content does not match its checksum")
	ErrCorrupt  = errors.New("gzip: the compressed bytes are damaged")
)

const (
	window   = 32 << 10
	inSize   = 64 << 10
	outSize  = window + 192<<10
	longest  = 258 // bytes of a match
	slack    = 16  // bytes that a step may touch beyond what it makes or takes
	headText = 64 << 10
)

// Reader reads what gzip members hold, one after another.
type Reader struct {
	src    io.Reader
	in     []byte // bytes not decoded yet are in[pos:end]; padding follows
	pos    int
	end    int
	srcErr error // io.EOF or worse: there is nothing more to come

	acc  uint64 // the next bits, the first in the lowest
	have uint   // how many of them count

	out   []byte // decoded bytes; given away up to given
	op    int
	given int
	full  int // of the bytes before op, how many this member made: as far as a match may reach

	step  func(*Reader) // what comes next in the stream
	final bool          // the block is its member's last
	left  int           // bytes of a stored block still to come
	crc   uint32
	size  uint32
	err   error

	lit       *[litSize]entry // the codes of this block: arrays, since then the loop needs no bounds checks
	dist      *[distSize]entry
	fixedLit  *[litSize]entry
	fixedDist *[distSize]entry
	litMem    [litSize]entry
	distMem   [distSize]entry
}

// NewReader reads the first member's header from src.
func NewReader(src io.Reader) (*Reader, error) {
	r := &Reader{src: src, in: make([]byte, inSize+2*slack), out: make([]byte, outSize+longest+slack)}
	r.header()
	if r.err != nil {
		return nil, r.err
	}
	return r, nil
}

// Read gives decoded bytes, or the error that ended them: io.EOF after the last
// member, io.ErrUnexpectedEOF where the stream is cut off.
func (r *Reader) Read(p []byte) (int, error) {
	for r.given == r.op {
		if r.err != nil {
			return 0, r.err
		}
		r.decode()
	}
	n := copy(p, r.out[r.given:r.op])
	r.given += n
	return n, nil
}

// WriteTo gives all that is left to w.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		n, err := w.Write(r.out[r.given:r.op])
		r.given += n
		total += int64(n)
		if err != nil {
			return total, err
		}
		if r.err != nil {
			if errors.Is(r.err, io.EOF) {
				return total, nil
			}
			return total, r.err
		}
		r.decode()
	}
}

// decode makes the next bytes. All that was made before has been given away.
func (r *Reader) decode() {
	if r.op > window {
		copy(r.out, r.out[r.op-window:r.op])
		r.op = window
	}
	r.given = r.op
	for r.err == nil && r.op < outSize {
		before := r.op
		r.step(r)
		made := r.out[before:r.op]
		r.crc = crc32.Update(r.crc, crc32.IEEETable, made)
		r.size += uint32(len(made)) //nolint:gosec // RFC 1952 wants the size modulo 2^32
		r.full = min(r.full+len(made), window)
	}
}

// fill gets more input, so that at least slack bytes follow pos or the source
// has ended; then zeros follow. The eight bytes before pos stay, because those
// in the register may be given back.
func (r *Reader) fill() {
	if r.srcErr != nil {
		return
	}
	start := max(0, r.pos-8)
	copy(r.in, r.in[start:r.end])
	r.end -= start
	r.pos -= start
	for idle := 0; r.end-r.pos < slack && r.srcErr == nil; {
		n, err := r.src.Read(r.in[r.end:inSize])
		r.end += n
		r.srcErr = err
		if n == 0 && err == nil {
			if idle++; idle == 100 {
				r.srcErr = io.ErrNoProgress
			}
		}
	}
	clear(r.in[r.end : r.end+2*slack])
}

// ended is the error of a stream that stops too early.
func (r *Reader) ended() error {
	if r.srcErr == nil || errors.Is(r.srcErr, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return r.srcErr
}

// need makes sure of n bits, at most 32.
func (r *Reader) need(n uint) bool {
	for r.have < n {
		if r.pos >= r.end {
			if r.fill(); r.pos >= r.end {
				r.err = r.ended()
				return false
			}
		}
		r.acc |= uint64(r.in[r.pos]) << r.have
		r.pos++
		r.have += 8
	}
	return true
}

func (r *Reader) take(n uint) uint {
	v := uint(r.acc) & (1<<n - 1)
	r.acc >>= n
	r.have -= n
	return v
}

// byte gives the next byte of the input; the bits in the register are whole bytes.
func (r *Reader) byte() byte {
	if r.err != nil || !r.need(8) {
		return 0
	}
	return byte(r.take(8))
}

func (r *Reader) uint32() uint32 {
	if r.err != nil || !r.need(32) {
		return 0
	}
	return uint32(r.take(32))
}

// header reads a member's header, RFC 1952 section 2.3.
func (r *Reader) header() {
	var head [10]byte
	sum := uint32(0)
	next := func() byte {
		b := r.byte()
		sum = crc32.Update(sum, crc32.IEEETable, []byte{b})
		return b
	}
	for i := range head {
		head[i] = next()
	}
	if r.err != nil {
		return
	}
	flags := head[3]
	if head[0] != 0x1f || head[1] != 0x8b || head[2] != 8 {
		r.err = ErrHeader
		return
	}
	if flags&4 != 0 {
		n := int(next())
		n |= int(next()) << 8
		for ; n > 0 && r.err == nil; n-- {
			next()
		}
	}
	for _, flag := range []byte{8, 16} { // name, comment
		for n := 0; flags&flag != 0 && r.err == nil && next() != 0; n++ {
			if n == headText {
				r.err = ErrHeader
			}
		}
	}
	if want := uint16(sum); flags&2 != 0 { //nolint:gosec // the low half is what the format keeps
		if got := uint16(r.byte()) | uint16(r.byte())<<8; r.err == nil && got != want {
			r.err = ErrHeader
		}
	}
	r.crc, r.size, r.full = 0, 0, 0
	r.step = (*Reader).blockHeader
}

// trailer checks a member's sum and size and looks whether another follows.
func (r *Reader) trailer() {
	r.take(r.have & 7)
	crc, size := r.uint32(), r.uint32()
	if r.err != nil {
		return
	}
	if crc != r.crc || size != r.size {
		r.err = ErrChecksum
		return
	}
	if r.have == 0 && r.pos >= r.end {
		if r.fill(); r.pos >= r.end {
			if r.err = r.srcErr; r.err == nil {
				r.err = io.EOF
			}
			return
		}
	}
	r.header()
}

// blockHeader reads the start of a block, RFC 1951 section 3.2.3.
func (r *Reader) blockHeader() {
	if r.final {
		r.final = false
		r.trailer()
		return
	}
	if !r.need(3) {
		return
	}
	r.final = r.take(1) == 1
	switch r.take(2) {
	case 0:
		r.take(r.have & 7)
		if !r.need(32) {
			return
		}
		n, not := r.take(16), r.take(16)
		if n != ^not&0xffff {
			r.err = ErrCorrupt
			return
		}
		r.left = int(n) //nolint:gosec // 16 bits
		r.step = (*Reader).stored
	case 1:
		r.fixed()
		r.step = (*Reader).symbols
	case 2:
		r.dynamic()
		r.step = (*Reader).symbols
	default:
		r.err = ErrCorrupt
	}
}

// stored copies bytes that are not compressed.
func (r *Reader) stored() {
	for r.left > 0 && r.have > 0 && r.op < outSize { // whole bytes wait in the register
		r.out[r.op] = byte(r.take(8))
		r.op++
		r.left--
	}
	for r.left > 0 && r.op < outSize {
		if r.pos >= r.end {
			if r.fill(); r.pos >= r.end {
				r.err = r.ended()
				return
			}
		}
		n := min(r.left, outSize-r.op)
		n = copy(r.out[r.op:r.op+n], r.in[r.pos:r.end])
		r.pos += n
		r.op += n
		r.left -= n
	}
	if r.left == 0 {
		r.step = (*Reader).blockHeader
	}
}

// symbols decodes until the block, the input at hand or the room for output ends.
func (r *Reader) symbols() {
	if r.pos+slack > r.end {
		r.fill()
	}
	last := r.end - slack
	if r.srcErr != nil {
		last = r.end + 8 // into the zeros
	}
	before := r.op
	done := r.loop(last)
	r.pos -= int(r.have >> 3) //nolint:gosec // at most 7: whole bytes go back
	r.have &= 7
	r.acc &= 1<<r.have - 1
	if r.pos > r.end {
		r.err = r.ended()
		r.op = before // some of it was made of the zeros
		return
	}
	if done {
		r.step = (*Reader).blockHeader
	}
}

func load64(b []byte, i int) uint64     { return binary.LittleEndian.Uint64(b[i : i+8 : len(b)]) }
func store64(b []byte, i int, v uint64) { binary.LittleEndian.PutUint64(b[i:i+8:len(b)], v) }
