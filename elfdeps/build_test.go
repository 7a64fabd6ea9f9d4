package elfdeps_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io/fs"
	"strings"
	"testing/fstest"
)

// loadAddr is where the built files are loaded: not at their file offsets.
const loadAddr = 0x400000

// spec describes an ELF file to build; the zero value is a little-endian
// 64-bit shared object for x86-64.
type spec struct {
	class   int // 32 or 64 (default)
	big     bool
	typ     elf.Type    // default ET_DYN
	machine elf.Machine // default EM_X86_64

	interp  string
	soname  string
	needed  []string
	rpath   string
	runpath string
	flags1  elf.DynFlag1
	static  bool // no dynamic section
}

// image is an ELF file under construction, with what tests corrupt.
type image struct {
	data    []byte
	order   binary.ByteOrder
	class   int
	phoff   int
	phsize  int
	dynamic int // offset of the dynamic section
	strings int // offset of the string table
}

// build returns the bytes of an ELF file.
func build(s spec) []byte { return layout(s).data }

// layout writes header, program headers, interpreter, dynamic section and
// string table, all in one loaded segment; there are no section headers.
func layout(s spec) *image {
	im := &image{order: binary.ByteOrder(binary.LittleEndian), class: 64, phoff: 64, phsize: 56}
	if s.class == 32 {
		im.class, im.phoff, im.phsize = 32, 52, 32
	}
	if s.big {
		im.order = binary.BigEndian
	}
	if s.typ == elf.ET_NONE {
		s.typ = elf.ET_DYN
	}
	if s.machine == elf.EM_NONE {
		s.machine = elf.EM_X86_64
	}
	count := 1
	if s.interp != "" {
		count++
	}
	if !s.static {
		count++
	}
	interpAt := im.phoff + count*im.phsize
	im.dynamic = interpAt + len(s.interp) + 1
	text, entries := dynamicOf(s)
	width := im.class / 8
	im.strings = im.dynamic + (len(entries)+3)*2*width
	entries = append(entries,
		[2]uint64{uint64(elf.DT_STRTAB), uint64(loadAddr + im.strings)},
		[2]uint64{uint64(elf.DT_STRSZ), uint64(len(text))}, [2]uint64{})
	im.data = make([]byte, im.strings, im.strings+len(text))
	im.data = append(im.data, text...)
	im.header(s, count)
	im.segment(0, elf.PT_LOAD, 0, len(im.data))
	next := 1
	if s.interp != "" {
		copy(im.data[interpAt:], s.interp+"\x00")
		im.segment(next, elf.PT_INTERP, interpAt, len(s.interp)+1)
		next++
	}
	if !s.static {
		im.segment(next, elf.PT_DYNAMIC, im.dynamic, len(entries)*2*width)
		for i, e := range entries {
			im.word(im.dynamic+2*i*width, e[0])
			im.word(im.dynamic+(2*i+1)*width, e[1])
		}
	}
	return im
}

// dynamicOf returns the string table and the entries that refer to it.
func dynamicOf(s spec) (text []byte, entries [][2]uint64) {
	text = []byte{0}
	add := func(tag elf.DynTag, str string) {
		entries = append(entries, [2]uint64{uint64(tag), uint64(len(text))})
		text = append(text, str+"\x00"...)
	}
	for _, n := range s.needed {
		add(elf.DT_NEEDED, n)
	}
	if s.soname != "" {
		add(elf.DT_SONAME, s.soname)
	}
	if s.rpath != "" {
		add(elf.DT_RPATH, s.rpath)
	}
	if s.runpath != "" {
		add(elf.DT_RUNPATH, s.runpath)
	}
	if s.flags1 != 0 {
		entries = append(entries, [2]uint64{uint64(elf.DT_FLAGS_1), uint64(s.flags1)})
	}
	return text, entries
}

// header writes the ELF header.
func (im *image) header(s spec, count int) {
	copy(im.data, elf.ELFMAG)
	im.data[elf.EI_CLASS] = byte(im.class / 32)
	im.data[elf.EI_DATA] = 1
	if s.big {
		im.data[elf.EI_DATA] = 2
	}
	im.half(16, uint16(s.typ))
	im.half(18, uint16(s.machine))
	if im.class == 32 {
		im.word(28, uint64(im.phoff))
		im.half(42, uint16(im.phsize))
		im.half(44, uint16(count))
		return
	}
	im.word(32, uint64(im.phoff))
	im.half(54, uint16(im.phsize))
	im.half(56, uint16(count))
}

// segment writes program header i.
func (im *image) segment(i int, typ elf.ProgType, off, size int) {
	at := im.phoff + i*im.phsize
	im.order.PutUint32(im.data[at:], uint32(typ))
	fields := map[int]int{8: off, 16: loadAddr + off, 32: size}
	if im.class == 32 {
		fields = map[int]int{4: off, 8: loadAddr + off, 16: size}
	}
	for field, value := range fields {
		im.word(at+field, uint64(value))
	}
}

func (im *image) half(at int, v uint16) { im.order.PutUint16(im.data[at:], v) }

func (im *image) word(at int, v uint64) {
	if im.class == 32 {
		im.order.PutUint32(im.data[at:], uint32(v))
	} else {
		im.order.PutUint64(im.data[at:], v)
	}
}

// tree makes a root of ELF files, links ("-> target") and texts.
func tree(elfs map[string]spec, others map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for name, s := range elfs {
		root[name] = &fstest.MapFile{Data: build(s), Mode: 0o755}
	}
	for name, content := range others {
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			root[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
		} else {
			root[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
		}
	}
	return root
}

// newCache writes an ld.so.cache in the newer format from name, path pairs.
func newCache(order binary.ByteOrder, flags byte, pairs ...string) []byte {
	n := len(pairs) / 2
	var head, text bytes.Buffer
	head.WriteString("glibc-ld.so.cache1.1")
	base := 48 + 24*n
	_ = binary.Write(&head, order, []uint32{uint32(n), 0})
	head.Write([]byte{flags, 0, 0, 0})
	_ = binary.Write(&head, order, [4]uint32{})
	for i := range n {
		key := uint32(base + text.Len())
		text.WriteString(pairs[2*i] + "\x00")
		value := uint32(base + text.Len())
		text.WriteString(pairs[2*i+1] + "\x00")
		_ = binary.Write(&head, order, []uint32{0x0303, key, value, 0, 0, 0})
	}
	return append(head.Bytes(), text.Bytes()...)
}

// oldCache writes one in the older format, followed by rest.
func oldCache(order binary.ByteOrder, rest []byte, pairs ...string) []byte {
	n := len(pairs) / 2
	var out, text bytes.Buffer
	out.WriteString("ld.so-1.7.0\x00")
	_ = binary.Write(&out, order, uint32(n))
	for i := range n {
		key := uint32(text.Len())
		text.WriteString(pairs[2*i] + "\x00")
		value := uint32(text.Len())
		text.WriteString(pairs[2*i+1] + "\x00")
		_ = binary.Write(&out, order, []uint32{3, key, value})
	}
	if rest != nil {
		out.Write(make([]byte, (8-out.Len()%8)%8))
		return append(out.Bytes(), rest...)
	}
	return append(out.Bytes(), text.Bytes()...)
}
