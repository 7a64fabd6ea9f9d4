package elfdeps

import (
	"debug/elf"
	"errors"
	"io"
)

// ErrNotELF is returned by [Parse] for content that is not an ELF file.
var ErrNotELF = errors.New("not an ELF file")

// ErrMalformed is wrapped by the errors of [Parse] for an ELF file whose
// header is fine, but whose other tables lie or exceed a limit.
var ErrMalformed = errors.New("malformed ELF file")

// Type is what kind of ELF file it is (e_type).
type Type = elf.Type

// File is what the dynamic loader reads from an ELF file.
type File struct {
	Class     int         // 32 or 64
	Machine   elf.Machine // e_machine
	BigEndian bool
	Type      Type // e_type: elf.ET_EXEC, elf.ET_DYN, elf.ET_REL, elf.ET_CORE ...

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

// Parse reads an ELF file of size bytes.
//
// The error is [ErrNotELF] for other content. For an ELF file that is damaged
// beyond its header the error wraps [ErrMalformed] and the File, then not nil,
// holds what could be read.
func Parse(r io.ReaderAt, size int64) (*File, error) { return nil, ErrNotELF }

// IsProgram says whether the file is run by execve rather than loaded by
// another one: type EXEC; or DYN with DF_1_PIE; or DYN with an interpreter and
// no soname (libc.so.6 has both: a library).
func (f *File) IsProgram() bool { return false }

// IsLibrary says whether the file is a shared object that is not a program.
// The dynamic loader itself is one.
func (f *File) IsLibrary() bool { return false }

// SharedNames returns the names of the form lib….so or lib….so.N… that occur in
// size bytes of content, sorted and unique: the libraries that the file may
// dlopen by name.
func SharedNames(r io.ReaderAt, size int64) ([]string, error) { return nil, nil }
