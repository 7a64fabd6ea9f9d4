package elfdeps

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"slices"
)

// Bounds of [Imports].
const (
	maxSymbols     = 1 << 20  // undefined and other dynamic symbols that are looked at
	maxSymbolNames = 64 << 20 // bytes of the dynamic string table
	symbolChunk    = 2048     // symbols read at once
)

// Imports returns those of some names that an ELF file of size bytes takes from
// other files: undefined dynamic symbols, sorted. A file without a dynamic
// section imports nothing. The errors are those of [Parse].
func Imports(r io.ReaderAt, size int64, names ...string) ([]string, error) {
	p := &parser{r: r, size: size}
	if err := p.header(); err != nil {
		return nil, err
	}
	if err := p.segments(); err != nil {
		return nil, err
	}
	if !p.file.Dynamic {
		return nil, nil
	}
	t, err := p.dynamicTable()
	if err != nil {
		return nil, err
	}
	count, err := p.symbolCount(&t)
	if err != nil || count == 0 {
		return nil, err
	}
	wanted, err := p.nameOffsets(&t, names)
	if err != nil || len(wanted) == 0 {
		return nil, err
	}
	found, err := p.undefined(&t, count, wanted)
	slices.Sort(found)
	return slices.Compact(found), err
}

// symbolCount says how many dynamic symbols may be undefined. The old hash table
// has a chain for each symbol. The GNU one says which is the first
// that is hashed, and of functions whose address is taken undefined ones are
// hashed, too; the symbols end where the strings begin, as linkers lay them out.
func (p *parser) symbolCount(t *table) (uint64, error) {
	if t.symtab == 0 {
		return 0, nil
	}
	count := uint64(0)
	switch {
	case t.hash != 0:
		b, err := p.atAddress(t.hash+4, 4, "symbol hash table") // nbucket, nchain
		if err != nil {
			return 0, err
		}
		count = uint64(p.order.Uint32(b))
	case t.gnuHash != 0:
		b, err := p.atAddress(t.gnuHash, 8, "symbol hash table") // nbuckets, symoffset
		if err != nil {
			return 0, err
		}
		if count = uint64(p.order.Uint32(b[4:])); t.strtab > t.symtab {
			count = max(count, (t.strtab-t.symtab)/p.symbolWidth())
		}
	}
	if count > maxSymbols {
		return 0, malformed("%d dynamic symbols", count)
	}
	return count, nil
}

// atAddress reads n bytes at a virtual address.
func (p *parser) atAddress(vaddr, n uint64, what string) ([]byte, error) {
	off, rest, ok := p.fileOffset(vaddr)
	if !ok || rest < n {
		return nil, malformed("%s at no loaded address", what)
	}
	return p.read(off, n, what)
}

func (p *parser) symbolWidth() uint64 {
	if p.file.Class == 32 {
		return elf.Sym32Size
	}
	return elf.Sym64Size
}

// nameOffsets finds where in the string table the names begin. A name may be
// the end of a longer one.
func (p *parser) nameOffsets(t *table, names []string) (map[uint64]string, error) {
	base, limit, ok := p.fileOffset(t.strtab)
	if !ok {
		return nil, malformed("dynamic string table at no loaded address")
	}
	n := min(t.strsz, limit, uint64(p.size)-base)
	if n > maxSymbolNames {
		return nil, malformed("%d bytes of dynamic strings", n)
	}
	text, err := p.read(base, n, "dynamic strings")
	if err != nil {
		return nil, err
	}
	found := map[uint64]string{}
	for _, name := range names {
		end := append([]byte(name), 0)
		for at := 0; ; {
			i := bytes.Index(text[at:], end)
			if i < 0 {
				break
			}
			found[uint64(at+i)] = name
			at += i + len(end)
		}
	}
	return found, nil
}

// undefined gives the wanted names that undefined symbols among the first count
// have.
func (p *parser) undefined(t *table, count uint64, wanted map[uint64]string) ([]string, error) {
	base, _, ok := p.fileOffset(t.symtab)
	if !ok {
		return nil, malformed("dynamic symbol table at no loaded address")
	}
	width, section := p.symbolWidth(), 14
	if p.file.Class == 64 {
		section = 6
	}
	var found []string
	for i := uint64(0); i < count; i += symbolChunk {
		b, err := p.read(base+i*width, min(symbolChunk, count-i)*width, "dynamic symbols")
		if err != nil {
			return found, fmt.Errorf("after %d symbols: %w", i, err)
		}
		for ; len(b) > 0; b = b[width:] {
			name, ok := wanted[uint64(p.order.Uint32(b))]
			if ok && elf.SectionIndex(p.order.Uint16(b[section:])) == elf.SHN_UNDEF {
				found = append(found, name)
			}
		}
	}
	return found, nil
}
