package testimage

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
)

// ELFOptions describe a small ELF file with just what a loader reads.
type ELFOptions struct {
	// Type is exec, dyn or pie, damaged for a dyn whose dynamic section lies, or
	// packed for one that has none; empty means pie with an interpreter, else dyn.
	Type    string
	Interp  string
	Soname  string
	Needed  []string
	RunPath string
	RPath   string
	Strings []string // in the read-only data
	Imports []string // undefined dynamic symbols
	Machine elf.Machine
}

func elfOptions(o map[string]string) ELFOptions {
	list := func(s string) []string {
		if s == "" {
			return nil
		}
		return strings.Split(s, ",")
	}
	return ELFOptions{
		Type: o["type"], Interp: o["interp"], Soname: o["soname"], Needed: list(o["needed"]),
		RunPath: o["runpath"], RPath: o["rpath"], Strings: list(o["strings"]), Imports: list(o["imports"]),
	}
}

// ELF makes a 64-bit little-endian ELF file: program headers, an interpreter, a
// dynamic section with its string table. There is no code in it.
func ELF(o ELFOptions) []byte {
	if o.Machine == 0 {
		o.Machine = elf.EM_X86_64
	}
	if o.Type == "" {
		o.Type = "dyn"
		if o.Interp != "" {
			o.Type = "pie"
		}
	}
	strtab := []byte{0}
	str := func(s string) uint64 {
		off := len(strtab)
		strtab = append(append(strtab, s...), 0)
		return uint64(off)
	}
	var dyn []elf.Dyn64
	add := func(tag elf.DynTag, val uint64) { dyn = append(dyn, elf.Dyn64{Tag: int64(tag), Val: val}) }
	for _, n := range o.Needed {
		add(elf.DT_NEEDED, str(n))
	}
	for tag, s := range map[elf.DynTag]string{elf.DT_SONAME: o.Soname} {
		if s != "" {
			add(tag, str(s))
		}
	}
	if o.RunPath != "" {
		add(elf.DT_RUNPATH, str(o.RunPath))
	}
	if o.RPath != "" {
		add(elf.DT_RPATH, str(o.RPath))
	}
	if o.Type == "pie" {
		add(elf.DT_FLAGS_1, uint64(elf.DF_1_PIE))
	}
	symbols := []elf.Sym64{{}}
	for _, name := range o.Imports {
		symbols = append(symbols, elf.Sym64{Name: uint32(str(name)), Info: 0x12})
	}
	const headers = 64 + 3*56
	interpOff := uint64(headers)
	strOff := interpOff + uint64(len(o.Interp)) + 1
	add(elf.DT_STRTAB, strOff)
	add(elf.DT_STRSZ, uint64(len(strtab)))
	dynOff := strOff + uint64(len(strtab))
	tail := []byte("\x00" + strings.Join(o.Strings, "\x00") + "\x00")
	if len(o.Imports) > 0 {
		hashOff := dynOff + uint64(len(dyn)+3)*16
		add(elf.DT_HASH, hashOff)
		add(elf.DT_SYMTAB, hashOff+8)
		tail = append(symbolTable(symbols), tail...)
	}
	add(elf.DT_NULL, 0)
	total := dynOff + uint64(len(dyn))*16 + uint64(len(tail))
	return assemble(o, interpOff, dynOff, total, strtab, dyn, tail)
}

// symbolTable is the head of a hash table, which says how many symbols there
// are, and the symbols.
func symbolTable(symbols []elf.Sym64) []byte {
	var buf bytes.Buffer
	_ = binary.Write(&buf, binary.LittleEndian, [2]uint32{0, uint32(len(symbols))}) // a buffer takes everything
	_ = binary.Write(&buf, binary.LittleEndian, symbols)
	return buf.Bytes()
}

func assemble(o ELFOptions, interpOff, dynOff, total uint64, strtab []byte, dyn []elf.Dyn64, tail []byte) []byte {
	typ := elf.ET_DYN
	if o.Type == "exec" {
		typ = elf.ET_EXEC
	}
	phs := []elf.Prog64{{Type: uint32(elf.PT_LOAD), Flags: 5, Filesz: total, Memsz: total, Align: 4096}}
	if o.Interp != "" {
		n := uint64(len(o.Interp) + 1)
		phs = append(phs, elf.Prog64{Type: uint32(elf.PT_INTERP), Off: interpOff, Vaddr: interpOff, Filesz: n, Memsz: n})
	}
	n := uint64(len(dyn) * 16)
	if o.Type == "damaged" {
		n = 1 << 40
	}
	if o.Type != "packed" && (o.Interp != "" || len(o.Needed) > 0 || o.Soname != "" || o.Type != "exec") {
		phs = append(phs, elf.Prog64{Type: uint32(elf.PT_DYNAMIC), Off: dynOff, Vaddr: dynOff, Filesz: n, Memsz: n})
	}
	hdr := elf.Header64{
		Type: uint16(typ), Machine: uint16(o.Machine), Version: 1, Phoff: 64,
		Ehsize: 64, Phentsize: 56, Phnum: uint16(len(phs)),
	}
	copy(hdr.Ident[:], "\x7fELF\x02\x01\x01")
	var buf bytes.Buffer
	put := func(v any) { _ = binary.Write(&buf, binary.LittleEndian, v) } // a buffer takes everything
	put(hdr)
	put(phs)
	buf.Write(make([]byte, int(interpOff)-buf.Len()))
	buf.WriteString(o.Interp + "\x00")
	buf.Write(strtab)
	put(dyn)
	buf.Write(tail)
	return buf.Bytes()
}
