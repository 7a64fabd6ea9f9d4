package elfdeps

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrNotELF is returned by [Parse] for content that is not an ELF file.
var ErrNotELF = errors.New("not an ELF file")

// ErrMalformed is wrapped by the errors of [Parse] for an ELF file whose
// header is fine, but whose other tables lie or exceed a limit.
var ErrMalformed = errors.New("malformed ELF file")

// Bounds of what is read from one ELF file.
const (
	maxProgramHeaders = 64 << 10 // bytes; Linux refuses to run a file with more
	maxDynamicEntries = 64 << 10
	maxNeeded         = 1024    // DT_NEEDED entries
	maxString         = 4096    // bytes of one string: PATH_MAX
	maxStrings        = 1 << 20 // bytes of all strings of one file
)

// File is what the dynamic loader reads from an ELF file.
type File struct {
	Class     int         // 32 or 64
	Machine   elf.Machine // e_machine
	BigEndian bool
	Type      elf.Type // e_type: elf.ET_EXEC, elf.ET_DYN, elf.ET_REL, elf.ET_CORE ...

	Interp  string   // PT_INTERP as written
	Soname  string   // DT_SONAME
	Needed  []string // DT_NEEDED in order, as written
	RPath   []string // DT_RPATH split at ':', tokens such as $ORIGIN as written
	RunPath []string // DT_RUNPATH, likewise

	PIE          bool // DF_1_PIE
	NoDefaultLib bool // DF_1_NODEFLIB
	HasInterp    bool // has a PT_INTERP segment
	Dynamic      bool // has a PT_DYNAMIC segment
}

// IsProgram says whether the file is run by execve rather than loaded by
// another one: type EXEC; or DYN with DF_1_PIE; or DYN with an interpreter and
// no soname (libc.so.6 has both: a library). Object files, kernel modules and
// core dumps are neither programs nor libraries.
func (f *File) IsProgram() bool {
	switch f.Type {
	case elf.ET_EXEC:
		return true
	case elf.ET_DYN:
		return f.PIE || f.HasInterp && f.Soname == ""
	default:
		return false
	}
}

// IsLibrary says whether the file is a shared object that is not a program.
// The dynamic loader itself is one.
func (f *File) IsLibrary() bool {
	return f.Type == elf.ET_DYN && f.Dynamic && !f.IsProgram()
}

// Parse reads an ELF file of size bytes.
//
// The error is [ErrNotELF] for other content. For an ELF file that is damaged
// beyond its header the error wraps [ErrMalformed] and the File, then not nil,
// holds what could be read. Errors of r are returned as they are, wrapped.
func Parse(r io.ReaderAt, size int64) (*File, error) {
	p := &parser{r: r, size: size}
	if err := p.header(); err != nil {
		return nil, err
	}
	if p.file.Type != elf.ET_EXEC && p.file.Type != elf.ET_DYN {
		return &p.file, nil
	}
	if err := p.segments(); err != nil {
		return &p.file, err
	}
	if err := p.interp(); err != nil {
		return &p.file, err
	}
	return &p.file, p.dynamic()
}

// span is a range of the file.
type span struct{ off, size uint64 }

// load is a PT_LOAD segment: where a range of memory comes from.
type load struct{ vaddr, off, size uint64 }

// parser reads one file; every access is checked against its size.
type parser struct {
	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	file  File

	phoff   uint64
	phsize  int // bytes of one program header
	phnum   int
	loads   []load
	interpS span
	dynS    span
	dynAddr uint64
}

// malformed returns an error that wraps ErrMalformed.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// read returns the n bytes at off.
func (p *parser) read(off, n uint64, what string) ([]byte, error) {
	if off > uint64(p.size) || n > uint64(p.size)-off {
		return nil, malformed("%s outside of the file", what)
	}
	buf := make([]byte, n)
	if err := readFull(p.r, buf, int64(off)); err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	return buf, nil
}

// readFull fills buf from off.
func readFull(r io.ReaderAt, buf []byte, off int64) error {
	n, err := r.ReadAt(buf, off)
	if n == len(buf) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// word reads a field of the class's word size at off of b.
func (p *parser) word(b []byte, off32, off64 int) uint64 {
	if p.file.Class == 32 {
		return uint64(p.order.Uint32(b[off32:]))
	}
	return p.order.Uint64(b[off64:])
}

// header reads e_ident and the fields of the ELF header.
func (p *parser) header() error {
	const size32, size64 = 52, 64
	if p.size < size32 {
		return ErrNotELF
	}
	h := make([]byte, min(p.size, size64))
	if err := readFull(p.r, h, 0); err != nil {
		return fmt.Errorf("reading ELF header: %w", err)
	}
	if !bytes.HasPrefix(h, []byte(elf.ELFMAG)) {
		return ErrNotELF
	}
	switch elf.Class(h[elf.EI_CLASS]) {
	case elf.ELFCLASS32:
		p.file.Class = 32
	case elf.ELFCLASS64:
		p.file.Class = 64
	default:
		return ErrNotELF
	}
	switch elf.Data(h[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		p.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		p.order, p.file.BigEndian = binary.BigEndian, true
	default:
		return ErrNotELF
	}
	if p.file.Class == 64 && len(h) < size64 {
		return ErrNotELF
	}
	p.file.Type = elf.Type(p.order.Uint16(h[16:]))
	p.file.Machine = elf.Machine(p.order.Uint16(h[18:]))
	p.phoff = p.word(h, 28, 32)
	counts := h[42:]
	p.phsize = 32
	if p.file.Class == 64 {
		counts, p.phsize = h[54:], 56
	}
	p.phnum = int(p.order.Uint16(counts[2:]))
	if p.phnum > 0 && int(p.order.Uint16(counts)) != p.phsize {
		p.phnum = -1 // reported by segments
	}
	return nil
}

// segments reads the program headers.
func (p *parser) segments() error {
	if p.phnum < 0 || p.phnum*p.phsize > maxProgramHeaders {
		return malformed("program headers of a wrong size")
	}
	if p.phnum == 0 {
		return nil
	}
	table, err := p.read(p.phoff, uint64(p.phnum*p.phsize), "program headers")
	if err != nil {
		return err
	}
	for ; len(table) > 0; table = table[p.phsize:] {
		s := span{off: p.word(table, 4, 8), size: p.word(table, 16, 32)}
		switch elf.ProgType(p.order.Uint32(table)) {
		case elf.PT_LOAD:
			p.loads = append(p.loads, load{p.word(table, 8, 16), s.off, s.size})
		case elf.PT_INTERP:
			if !p.file.HasInterp { // the kernel takes the first
				p.file.HasInterp, p.interpS = true, s
			}
		case elf.PT_DYNAMIC:
			p.file.Dynamic, p.dynS = true, s // the loaders take the last
			p.dynAddr = p.word(table, 8, 16)
		default:
		}
	}
	return nil
}

// interp reads the name of the interpreter.
func (p *parser) interp() error {
	if !p.file.HasInterp {
		return nil
	}
	if p.interpS.size < 2 || p.interpS.size > maxString {
		return malformed("interpreter name of %d bytes", p.interpS.size)
	}
	b, err := p.read(p.interpS.off, p.interpS.size, "interpreter name")
	if err != nil {
		return err
	}
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		return malformed("interpreter name without an end")
	}
	p.file.Interp = string(b[:end])
	return nil
}
