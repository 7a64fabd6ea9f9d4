package layers

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

const block = 512

const (
	maxHeaders    = 5 << 20 // bytes of headers before one entry; archive/tar allows 1 MiB for each
	maxGlobal     = 256     // records of global PAX headers in force at a time
	namesPerEntry = 1 << 10 // bytes of names that count as one more entry: they stay in memory
	maxPath       = 4096    // bytes of a path or of a link's target: PATH_MAX of Linux
	maxName       = 255     // bytes of a component: NAME_MAX of Linux
)

// The prefixes of records of extended attributes, as star and libarchive write them.
const (
	xattrStar       = "SCHILY.xattr."
	xattrLibarchive = "LIBARCHIVE.xattr."
)

// archive is what one pass over a layer's tar finds.
type archive struct {
	entries   []entry
	global    map[string]string // PAX records of global headers, in force at the end
	irregular bool              // engines disagree about this archive
}

// scanner walks a tar stream. It makes a new tar.Reader for each entry, so
// that it knows where headers, content and padding start and end, and it keeps
// the raw header bytes of the entry at hand.
type scanner struct {
	r      io.Reader
	pos    int64
	raw    bytes.Buffer // bytes read since capture began
	keep   bool
	over   bool // the headers of one entry are over maxHeaders
	limits Limits
	budget func(entries int, expanded int64) error
	buf    []byte
}

func (s *scanner) Read(p []byte) (int, error) {
	if s.keep && s.raw.Len() > maxHeaders {
		s.over = true
		return 0, io.ErrUnexpectedEOF
	}
	n, err := s.r.Read(p)
	s.pos += int64(n)
	if s.keep {
		s.raw.Write(p[:n])
	}
	return n, err
}

// scan reads a whole tar stream to its end.
func scan(r io.Reader, limits Limits, budget func(int, int64) error) (*archive, error) {
	s := &scanner{r: r, limits: limits, budget: budget, buf: make([]byte, 64<<10)}
	a := &archive{}
	for {
		done, err := s.next(a)
		if err != nil {
			return nil, fmt.Errorf("entry %d at byte %d: %w", len(a.entries), s.pos, err)
		}
		if done {
			return a, s.rest(a)
		}
	}
}

// next reads one entry: its headers by archive/tar, its content by skipping.
func (s *scanner) next(a *archive) (bool, error) {
	start := s.pos
	s.raw.Reset()
	s.keep = true
	hdr, err := tar.NewReader(s).Next()
	s.keep = false
	if s.over {
		return false, &LimitError{What: "headers", Limit: maxHeaders}
	}
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
		return false, fmt.Errorf("reading a tar header: %w", err)
	}
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return false, s.global(a, hdr.PAXRecords)
	}
	chain, err := parseChain(s.raw.Bytes())
	if err != nil {
		return false, err
	}
	e, err := newEntry(hdr, s.limits)
	if err != nil {
		return false, err
	}
	e.off, e.head = start, uint32(chain.end) //nolint:gosec // at most maxHeaders
	if hdr.Typeflag == tar.TypeReg || hdr.Typeflag == tar.TypeGNUSparse {
		if e.sparse = chain.sparse; e.sparse {
			e.more().physical = chain.physical
		}
		if !e.sparse && chain.physical != hdr.Size {
			return false, fmt.Errorf("%q: header sizes %d and %d disagree", hdr.Name, chain.physical, hdr.Size)
		}
	}
	if a.global != nil {
		e.more().global = a.global
	}
	grown := e.end() - e.off
	if e.sparse {
		grown += e.size
	}
	names := len(hdr.Name) + len(hdr.Linkname)
	if err := s.budget(1+names/namesPerEntry, grown); err != nil {
		return false, err
	}
	if err := s.skip(e.end() - s.pos); err != nil {
		return false, fmt.Errorf("%q: reading content: %w", hdr.Name, err)
	}
	a.entries = append(a.entries, e)
	return false, nil
}

// global takes a global PAX header and what pads it.
func (s *scanner) global(a *archive, records map[string]string) error {
	n := int64(s.raw.Len())
	if err := s.budget(1, n); err != nil {
		return err
	}
	if err := a.addGlobal(records); err != nil {
		return err
	}
	if err := s.skip(-n & (block - 1)); err != nil {
		return fmt.Errorf("reading a global PAX header: %w", err)
	}
	return nil
}

func (s *scanner) skip(n int64) error {
	for n > 0 {
		m, err := s.Read(s.buf[:min(n, int64(len(s.buf)))])
		n -= int64(m)
		if n > 0 && err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// rest drains what follows the end of the archive. Zeros are padding; anything
// else is data of no entry, which does not survive.
func (s *scanner) rest(a *archive) error {
	for {
		n, err := s.Read(s.buf)
		if !a.irregular && len(bytes.Trim(s.buf[:n], "\x00")) > 0 {
			a.irregular = true
		}
		if berr := s.budget(0, int64(n)); berr != nil {
			return berr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading what follows the archive: %w", err)
		}
	}
}

// addGlobal takes the records of a global PAX header. Most engines ignore them.
// Those that would change an entry are refused: folding them could give a file
// an owner or a capability that it never had in a container.
func (a *archive) addGlobal(records map[string]string) error {
	a.irregular = true
	if a.global == nil {
		a.global = map[string]string{}
	} else {
		a.global = copyRecords(a.global) // entries before keep what governed them
	}
	for k, v := range records {
		switch {
		case changesEntry(k):
			return fmt.Errorf("a global PAX header sets %q for every entry, and engines disagree about that", k)
		case v == "":
			delete(a.global, k)
		default:
			a.global[k] = v
		}
	}
	if len(a.global) > maxGlobal {
		return &LimitError{What: "globals", Limit: maxGlobal}
	}
	return nil
}

// changesEntry tells the records of POSIX pax, GNU tar, star and libarchive that
// readers act on.
func changesEntry(key string) bool {
	switch key {
	case "path", "linkpath", "size", "uid", "gid", "mtime", "atime", "ctime":
		return true
	}
	for _, prefix := range []string{"GNU.sparse.", xattrStar, xattrLibarchive} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

func copyRecords(m map[string]string) map[string]string {
	c := make(map[string]string, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// newEntry reads a tar header into an entry, without offsets.
func newEntry(hdr *tar.Header, limits Limits) (entry, error) {
	clean, err := cleanName(hdr.Name)
	if err != nil {
		return entry{}, fmt.Errorf("%q: %w", hdr.Name, err)
	}
	if err := checkLengths(clean, hdr.Linkname); err != nil {
		return entry{}, fmt.Errorf("%.60q...: %w", hdr.Name, err)
	}
	if strings.Count(clean, "/") >= limits.Depth {
		return entry{}, fmt.Errorf("%.60q...: %w", hdr.Name, &LimitError{What: "depth", Limit: int64(limits.Depth)})
	}
	e := entry{
		path: clean, name: hdr.Name, hiddenBy: -1,
		sec: hdr.ModTime.Unix(), nsec: uint32(hdr.ModTime.Nanosecond()), //nolint:gosec // below 10^9
		mode: hdr.FileInfo().Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky),
	}
	e.setOwner(hdr.Uid, hdr.Gid)
	if hdr.Devmajor != 0 || hdr.Devminor != 0 {
		r := e.more()
		r.major, r.minor = hdr.Devmajor, hdr.Devminor
	}
	if sum := xattrSum(hdr.PAXRecords); sum != "" {
		e.more().xattrs = sum
	}
	if err := e.setType(hdr); err != nil {
		return entry{}, fmt.Errorf("%q: %w", hdr.Name, err)
	}
	t, hidden, is, err := marker(clean)
	if err != nil {
		return entry{}, err
	}
	if is {
		e.typ, e.path = t, hidden
	}
	if e.path == "." && e.typ != Dir && e.typ != Opaque {
		return entry{}, errRootNot
	}
	return e, nil
}

// checkLengths refuses names that Linux does not take.
func checkLengths(clean, link string) error {
	if len(clean) > maxPath || len(link) > maxPath {
		return errLong
	}
	for part := range strings.SplitSeq(clean, "/") {
		if len(strings.TrimPrefix(part, whiteoutPrefix)) > maxName {
			return errLong
		}
	}
	return nil
}

func (e *entry) setType(hdr *tar.Header) error {
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse:
		e.typ, e.size = Regular, hdr.Size
	case tar.TypeLink:
		e.typ = HardLink
		e.more().link = hdr.Linkname
	case tar.TypeSymlink:
		e.typ = Symlink
		e.more().link = hdr.Linkname
		if hdr.Linkname == "" || strings.IndexByte(hdr.Linkname, 0) >= 0 {
			return errors.New("the symbolic link points nowhere")
		}
	case tar.TypeDir:
		e.typ = Dir
	case tar.TypeChar:
		e.typ = CharDevice
	case tar.TypeBlock:
		e.typ = BlockDevice
	case tar.TypeFifo:
		e.typ = FIFO
	default:
		return fmt.Errorf("unknown tar entry type %q", hdr.Typeflag)
	}
	return nil
}

// xattrSum condenses the records of extended attributes.
func xattrSum(records map[string]string) string {
	var keys []string
	for k := range records {
		if strings.HasPrefix(k, xattrStar) || strings.HasPrefix(k, xattrLibarchive) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return ""
	}
	slices.Sort(keys)
	h := sha256.New()
	for _, k := range keys {
		h.Write(fmt.Appendf(nil, "%d %s=%d %s\n", len(k), k, len(records[k]), records[k]))
	}
	return hex.EncodeToString(h.Sum(nil))
}
