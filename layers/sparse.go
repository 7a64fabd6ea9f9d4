package layers

import (
	"archive/tar"
	"fmt"
	"io"
	"sync"
)

// sparseReader gives the expanded content of a sparse file. archive/tar knows
// the four dialects of sparse maps; reading backwards starts it anew.
type sparseReader struct {
	t   *Tree
	e   *entry
	mu  sync.Mutex
	r   *tar.Reader
	pos int64
}

// ReadAt reads expanded bytes; forward reads are cheap.
func (s *sparseReader) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r == nil || off < s.pos {
		raw := io.NewSectionReader(s.t.spooled[s.e.layer].tar, s.e.off, s.e.end()-s.e.off)
		s.r, s.pos = tar.NewReader(raw), 0
		if _, err := s.r.Next(); err != nil {
			return 0, fmt.Errorf("reading the sparse file %q: %w", s.e.path, err)
		}
	}
	if off > s.pos {
		n, err := io.CopyN(io.Discard, s.r, off-s.pos)
		s.pos += n
		if err != nil {
			return 0, fmt.Errorf("reading the sparse file %q: %w", s.e.path, err)
		}
	}
	n, err := io.ReadFull(s.r, p)
	s.pos += int64(n)
	if err != nil && n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
