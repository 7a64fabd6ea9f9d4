package elfdeps

import (
	"bytes"
	"debug/elf"
	"strings"
)

// table holds the entries of a dynamic section that matter here. A string is
// an offset into the string table until it is read.
type table struct {
	needed                 []uint64
	strtab, strsz          uint64
	symtab, hash, gnuHash  uint64
	soname, rpath, runpath *uint64
	flags1                 uint64
}

// dynamic reads the dynamic section and the strings that it names.
func (p *parser) dynamic() error {
	if !p.file.Dynamic {
		return nil
	}
	t, err := p.dynamicTable()
	if err != nil {
		return err
	}
	p.file.PIE = elf.DynFlag1(t.flags1)&elf.DF_1_PIE != 0
	p.file.NoDefaultLib = elf.DynFlag1(t.flags1)&elf.DF_1_NODEFLIB != 0
	if len(t.needed) == 0 && t.soname == nil && t.rpath == nil && t.runpath == nil {
		return nil
	}
	base, limit, ok := p.fileOffset(t.strtab)
	if !ok {
		return malformed("dynamic string table at no loaded address")
	}
	s := &stringTable{p: p, base: base, size: min(t.strsz, limit), budget: maxStrings}
	if t.soname != nil {
		p.file.Soname = s.at(*t.soname)
	}
	if t.rpath != nil {
		p.file.RPath = strings.Split(s.at(*t.rpath), ":")
	}
	if t.runpath != nil {
		p.file.RunPath = strings.Split(s.at(*t.runpath), ":")
	}
	for _, off := range t.needed {
		if name := s.at(off); name != "" {
			p.file.Needed = append(p.file.Needed, name)
		}
	}
	return s.err
}

// dynamicTable reads the entries up to DT_NULL. The last of several entries
// with one tag counts, as in the loaders.
func (p *parser) dynamicTable() (table, error) {
	var t table
	width := p.file.Class / 8
	count := p.dynS.size / uint64(2*width)
	if count > maxDynamicEntries {
		return t, malformed("%d dynamic entries", count)
	}
	at := p.dynS.off
	if off, _, ok := p.fileOffset(p.dynAddr); ok {
		at = off // the loaders go by the address
	}
	b, err := p.read(at, count*uint64(2*width), "dynamic section")
	if err != nil {
		return t, err
	}
	for ; len(b) > 0; b = b[2*width:] {
		val := p.word(b[width:], 0, 0)
		switch elf.DynTag(p.word(b, 0, 0)) {
		case elf.DT_NULL:
			return t, nil
		case elf.DT_NEEDED:
			if len(t.needed) == maxNeeded {
				return t, malformed("more than %d needed libraries", maxNeeded)
			}
			t.needed = append(t.needed, val)
		case elf.DT_STRTAB:
			t.strtab = val
		case elf.DT_STRSZ:
			t.strsz = val
		case elf.DT_SYMTAB:
			t.symtab = val
		case elf.DT_HASH:
			t.hash = val
		case elf.DT_GNU_HASH:
			t.gnuHash = val
		case elf.DT_SONAME:
			t.soname = &val
		case elf.DT_RPATH:
			t.rpath = &val
		case elf.DT_RUNPATH:
			t.runpath = &val
		case elf.DT_FLAGS_1:
			t.flags1 = val
		default:
		}
	}
	return t, nil
}

// fileOffset says where in the file the byte at a virtual address is, and how
// many bytes of its segment follow from there.
func (p *parser) fileOffset(vaddr uint64) (off, rest uint64, ok bool) {
	for _, l := range p.loads {
		if vaddr >= l.vaddr && vaddr-l.vaddr < l.size {
			in := vaddr - l.vaddr
			if l.off > uint64(p.size) || in > uint64(p.size)-l.off {
				continue
			}
			return l.off + in, l.size - in, true
		}
	}
	return 0, 0, false
}

// stringTable reads strings of the dynamic string table. It remembers the
// first error and returns "" from then on.
type stringTable struct {
	p          *parser
	base, size uint64
	budget     int // bytes of strings still allowed
	err        error
}

// at returns the string at off.
func (s *stringTable) at(off uint64) string {
	if s.err != nil {
		return ""
	}
	if off >= s.size || s.base > uint64(s.p.size) || off >= uint64(s.p.size)-s.base {
		s.err = malformed("string outside of the dynamic string table")
		return ""
	}
	room := min(s.size-off, uint64(s.p.size)-s.base-off, maxString)
	for n := min(room, 128); ; n = min(room, 4*n) {
		b, err := s.p.read(s.base+off, n, "dynamic strings")
		if err != nil {
			s.err = err
			return ""
		}
		if end := bytes.IndexByte(b, 0); end >= 0 {
			return s.spend(string(b[:end]))
		}
		if n == room {
			s.err = malformed("string without an end in the dynamic string table")
			return ""
		}
	}
}

// spend counts the bytes of a string against the budget.
func (s *stringTable) spend(str string) string {
	if len(str) > s.budget {
		s.err = malformed("more than %d bytes of dynamic strings", maxStrings)
		return ""
	}
	s.budget -= len(str)
	return str
}
