package elfdeps_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lathe-build/lathe/elfdeps"
)

func parse(b []byte) (*elfdeps.File, error) {
	return elfdeps.Parse(bytes.NewReader(b), int64(len(b)))
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, class := range []int{32, 64} {
		for _, big := range []bool{false, true} {
			t.Run(fmt.Sprint(class, big), func(t *testing.T) {
				t.Parallel()
				got, err := parse(build(spec{
					class: class, big: big, typ: elf.ET_DYN, machine: elf.EM_MIPS,
					interp: "/lib/ld.so.1", soname: "libx.so.1", needed: []string{"liba.so", strings.Repeat("b", 1000)},
					rpath: "/a:$ORIGIN/b", runpath: "/c", flags1: elf.DF_1_PIE | elf.DF_1_NODEFLIB,
				}))
				if err != nil {
					t.Fatal(err)
				}
				want := &elfdeps.File{
					Class: class, BigEndian: big, Machine: elf.EM_MIPS, Type: elf.ET_DYN,
					Interp: "/lib/ld.so.1", Soname: "libx.so.1", Needed: []string{"liba.so", strings.Repeat("b", 1000)},
					RPath: []string{"/a", "$ORIGIN/b"}, RunPath: []string{"/c"},
					PIE: true, NoDefaultLib: true, HasInterp: true, Dynamic: true,
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("Parse (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestIsProgram(t *testing.T) {
	t.Parallel()
	const ld = "/lib64/ld-linux-x86-64.so.2"
	tests := []struct {
		name             string
		spec             spec
		program, library bool
	}{
		{"static program", spec{typ: elf.ET_EXEC, static: true}, true, false},
		{"dynamic program", spec{typ: elf.ET_EXEC, interp: ld}, true, false},
		{"position-independent program", spec{interp: ld, flags1: elf.DF_1_PIE}, true, false},
		{"the same from an old linker", spec{interp: ld}, true, false},
		{"static position-independent program", spec{flags1: elf.DF_1_PIE}, true, false},
		{"program with a soname and the flag", spec{interp: ld, soname: "prog", flags1: elf.DF_1_PIE}, true, false},
		{"libc.so.6", spec{interp: ld, soname: "libc.so.6"}, false, true},
		{"ld.so", spec{soname: "ld-linux-x86-64.so.2"}, false, true},
		{"library", spec{soname: "libz.so.1"}, false, true},
		{"plugin without a soname", spec{needed: []string{"libc.so.6"}}, false, true},
		{"object file", spec{typ: elf.ET_REL, static: true}, false, false},
		{"core dump", spec{typ: elf.ET_CORE, static: true}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := parse(build(tt.spec))
			if err != nil {
				t.Fatal(err)
			}
			if got := f.IsProgram(); got != tt.program {
				t.Errorf("IsProgram() = %v, want %v", got, tt.program)
			}
			if got := f.IsLibrary(); got != tt.library {
				t.Errorf("IsLibrary() = %v, want %v", got, tt.library)
			}
		})
	}
}

func TestParseNotELF(t *testing.T) {
	t.Parallel()
	valid := build(spec{})
	badClass := bytes.Clone(valid)
	badClass[elf.EI_CLASS] = 3
	badOrder := bytes.Clone(valid)
	badOrder[elf.EI_DATA] = 0
	for name, b := range map[string][]byte{
		"empty": nil, "script": []byte("#!/bin/sh\n" + strings.Repeat(" ", 100)), "magic only": []byte(elf.ELFMAG),
		"cut header": valid[:60], "class": badClass, "byte order": badOrder,
	} {
		if f, err := parse(b); !errors.Is(err, elfdeps.ErrNotELF) || f != nil {
			t.Errorf("%s: %v, %v, want ErrNotELF", name, f, err)
		}
	}
}

func TestParseMalformed(t *testing.T) {
	t.Parallel()
	full := spec{interp: "/lib/ld.so.1", needed: []string{"liba.so", "libb.so"}}
	many := spec{needed: make([]string, 2000)}
	for i := range many.needed {
		many.needed[i] = fmt.Sprint("lib", i, ".so")
	}
	long := spec{needed: []string{strings.Repeat("x", 5000)}}
	tests := []struct {
		name    string
		spec    spec
		corrupt func(im *image)
	}{
		{"program headers behind the end", full, func(im *image) { im.word(32, 1<<40) }},
		{"program headers at the last address", full, func(im *image) { im.word(32, math.MaxUint64) }},
		{"size of a program header", full, func(im *image) { im.half(54, 57) }},
		{"65535 program headers", full, func(im *image) { im.half(56, math.MaxUint16) }},
		{"interpreter behind the end", full, func(im *image) { im.word(im.phoff+56+8, 1<<50) }},
		{"huge interpreter", full, func(im *image) { im.word(im.phoff+56+32, math.MaxUint64) }},
		{"empty interpreter", full, func(im *image) { im.word(im.phoff+56+32, 1) }},
		{"interpreter without an end", full, func(im *image) { im.word(im.phoff+56+32, 5) }},
		{"huge dynamic section", full, func(im *image) { im.word(im.phoff+112+32, 1<<62) }},
		{"string table at no address", full, func(im *image) { im.word(im.dynamic+2*16+8, 1) }},
		{"string outside of the table", full, func(im *image) { im.word(im.dynamic+8, 1<<40) }},
		{"string without an end", full, func(im *image) { im.data[len(im.data)-1] = 'x' }},
		{"size of the string table", full, func(im *image) { im.word(im.dynamic+3*16+8, 3) }},
		{"too many libraries", many, func(*image) {}},
		{"long name", long, func(*image) {}},
		{"cut", full, func(im *image) { im.data = im.data[:im.dynamic+8] }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			im := layout(tt.spec)
			tt.corrupt(im)
			f, err := parse(im.data)
			if !errors.Is(err, elfdeps.ErrMalformed) {
				t.Errorf("error %v, want ErrMalformed", err)
			}
			if f == nil || f.Machine != elf.EM_X86_64 {
				t.Errorf("File = %+v, want what the header says", f)
			}
		})
	}
}

// failing is a reader whose medium breaks behind the header.
type failing struct{ io.ReaderAt }

var errMedium = errors.New("medium error")

func (r failing) ReadAt(b []byte, off int64) (int, error) {
	if off >= 64 {
		return 0, errMedium
	}
	return r.ReaderAt.ReadAt(b, off)
}

func TestParseReadError(t *testing.T) {
	t.Parallel()
	b := build(spec{needed: []string{"liba.so"}})
	_, err := elfdeps.Parse(failing{bytes.NewReader(b)}, int64(len(b)))
	if !errors.Is(err, errMedium) || errors.Is(err, elfdeps.ErrMalformed) {
		t.Errorf("error %v, want the reader's", err)
	}
	if _, err := elfdeps.Parse(bytes.NewReader(b[:80]), int64(len(b))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v for a file shorter than said, want ErrUnexpectedEOF", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(build(spec{interp: "/lib/ld.so", soname: "libx.so", needed: []string{"liba.so"}, rpath: "$ORIGIN"}))
	f.Add(build(spec{class: 32, big: true, typ: elf.ET_EXEC, interp: "/lib/ld.so", runpath: "/a:/b"}))
	f.Add(build(spec{typ: elf.ET_REL, static: true}))
	f.Add([]byte(elf.ELFMAG))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := parse(b)
		if err == nil && file == nil {
			t.Fatal("neither file nor error")
		}
		if err != nil && !errors.Is(err, elfdeps.ErrNotELF) && !errors.Is(err, elfdeps.ErrMalformed) {
			t.Fatalf("error %v is no sentinel", err)
		}
		if file != nil && file.IsProgram() && file.IsLibrary() {
			t.Fatal("both program and library")
		}
		if _, err := elfdeps.SharedNames(bytes.NewReader(b), int64(len(b))); err != nil {
			t.Fatal(err)
		}
	})
}
