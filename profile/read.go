package profile

import (
	"errors"
	"io"
)

// Read reads one profile document, or the merge of several YAML documents.
func Read(r io.Reader, lim Limits) (*Profile, error) { return nil, errors.New("not written yet") }

// Limits bound what [Read] accepts. A zero field means its default.
type Limits struct {
	Bytes       int64 // of the document, decompressed
	YAMLBytes   int64 // of a YAML document, which costs more memory
	Entries     int   // of all lists and maps together
	StringBytes int   // of one string
	Documents   int   // in one YAML file
}

// Validate reports what is wrong with p, several problems at once.
func (p *Profile) Validate() error { return errors.New("not written yet") }

// Canonical is the one JSON form of p.
func (p *Profile) Canonical() ([]byte, error) { return nil, errors.New("not written yet") }

// Write writes the canonical form and a newline.
func (p *Profile) Write(w io.Writer) error { return errors.New("not written yet") }

// SourceID is the id of s.
func SourceID(s Source) string { return "" }

// Merge is the least upper bound of profiles.
func Merge(ps ...*Profile) (*Profile, error) { return nil, errors.New("not written yet") }

// Resolver follows the symbolic links of an image.
type Resolver func(path string) (target string, links []string, ok bool)

// Absent is a path of a profile that the image does not have.
type Absent struct {
	Section string   `json:"section"` // executables, scripts, loader or files
	Path    Path     `json:"path"`
	Access  []string `json:"access,omitempty"`
	Moved   bool     `json:"moved,omitempty"` // to missing: its source mixes failed lookups with others
}

// Bind resolves the paths of p in an image.
func Bind(p *Profile, resolve Resolver) (*Profile, []Absent, error) {
	return nil, nil, errors.New("not written yet")
}
