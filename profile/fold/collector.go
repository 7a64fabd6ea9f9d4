package fold

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lathe-build/lathe/profile"
)

// Limits bound what a [Collector] holds. A zero field means its default.
type Limits struct {
	Facts int   // entries and members of their sets together; default 1,000,000
	Bytes int64 // of all strings together; default 256 MiB
}

const (
	defaultFacts = 1_000_000
	defaultBytes = 256 << 20

	maxPath = 16 << 10 // bytes of a path; the kernel's limit is 4 KiB
	maxName = 1 << 10  // bytes of any other name
	maxKeys = 1 << 16  // keys of executables that are known to be valid or not
	maxArgv = 8        // command lines kept of an executable: the smallest
)

// ErrLimit is what [Collector.Err] returns when there were too many facts.
var ErrLimit = errors.New("too many distinct facts")

// Collector folds what one source observed. Its methods must not be called
// concurrently.
type Collector struct {
	limits  Limits
	vocab   vocabularies
	facts   int
	bytes   int64
	lost    int64
	refused int64
	// nameless is executions by paths that do not say which program it is.
	nameless int64
	window   profile.Window

	executables  map[string]*Executable
	files        map[profile.Path]*file
	patterns     map[string]*pattern
	missing      map[profile.Path]*missing
	listeners    map[listenKey]*listener
	visitors     map[acceptKey]*visitor
	edges        map[edgeKey]*Edge
	questions    map[questionKey]*question
	addresses    map[addressKey]*set[string]
	syscalls     map[string]*set[string]
	capabilities map[string]*capability
	outside      map[string]*count
	keys         map[string]bool // executable keys that were checked
}

// New makes an empty collector.
func New(limits Limits) *Collector {
	if limits.Facts <= 0 {
		limits.Facts = defaultFacts
	}
	if limits.Bytes <= 0 {
		limits.Bytes = defaultBytes
	}
	c := &Collector{limits: limits, vocab: newVocabularies()}
	c.Reset()
	return c
}

// Reset forgets everything but the limits. Handles of executables and edges
// from before are of no use any more.
func (c *Collector) Reset() {
	*c = Collector{
		limits: c.limits, vocab: c.vocab,
		executables: map[string]*Executable{}, files: map[profile.Path]*file{}, patterns: map[string]*pattern{},
		missing: map[profile.Path]*missing{}, listeners: map[listenKey]*listener{}, visitors: map[acceptKey]*visitor{},
		edges: map[edgeKey]*Edge{}, questions: map[questionKey]*question{}, addresses: map[addressKey]*set[string]{},
		syscalls: map[string]*set[string]{}, capabilities: map[string]*capability{}, outside: map[string]*count{},
		keys: map[string]bool{},
	}
}

// Lost is how many facts the limits left out. One that comes again is counted
// again.
func (c *Collector) Lost() int64 { return c.lost }

// Refused is how many observations a profile cannot hold.
func (c *Collector) Refused() int64 { return c.refused }

// Facts is how many distinct facts there are.
func (c *Collector) Facts() int { return c.facts }

// Executables is how many distinct programs were noted.
func (c *Collector) Executables() int { return len(c.executables) }

// Files is how many distinct paths were found.
func (c *Collector) Files() int { return len(c.files) }

// Window is the time from the first to the last observation that had one.
func (c *Collector) Window() profile.Window { return c.window }

// Err is an [ErrLimit] that names the limits once they left something out.
func (c *Collector) Err() error {
	if c.lost == 0 {
		return nil
	}
	return fmt.Errorf("%w: more than %d, or more than %d bytes of them", ErrLimit, c.limits.Facts, c.limits.Bytes)
}

// See widens the window of the recording.
func (c *Collector) See(at time.Time) {
	if at.IsZero() || !isTime(at) {
		return
	}
	if c.window.Start.IsZero() || at.Before(c.window.Start) {
		c.window.Start = at
	}
	if at.After(c.window.End) {
		c.window.End = at
	}
}

// room reports whether a fact of that many bytes fits, and counts it.
func (c *Collector) room(bytes int) bool {
	if c.facts >= c.limits.Facts || c.bytes+int64(bytes) > c.limits.Bytes {
		c.lost++
		return false
	}
	c.facts++
	c.bytes += int64(bytes)
	return true
}

// entryOf finds or makes the entry of a key; nil where there is no room.
func entryOf[K comparable, V any](c *Collector, m map[K]*V, key K, bytes int) *V {
	if v, ok := m[key]; ok {
		return v
	}
	if !c.room(bytes) {
		return nil
	}
	v := new(V)
	m[key] = v
	return v
}

// put adds a word to a set; "" is none.
func put[T ~string](c *Collector, s *set[T], word T) {
	if word != "" && !s.has(word) && c.room(len(word)) {
		s.add(word)
	}
}

// mark adds a word of a vocabulary to a mask; "" is none.
func (c *Collector) mark(m *mask, vocabulary []string, word string) {
	if word == "" {
		return
	}
	for i, known := range vocabulary {
		if known == word {
			*m |= 1 << i
			return
		}
	}
	c.refused++
}

// path reports whether a profile can hold p, and counts it as refused if not.
func (c *Collector) path(p profile.Path) bool {
	ok := len(p) <= maxPath && strings.HasPrefix(string(p), "/") && !strings.Contains(string(p), "\x00")
	if !ok {
		c.refused++
	}
	return ok
}

// putPath adds a path to a set; "" is none.
func (c *Collector) putPath(s *set[profile.Path], p profile.Path) {
	if p != "" && c.path(p) {
		put(c, s, p)
	}
}

// putKey adds the key of an executable to a set; "" is none.
func (c *Collector) putKey(s *set[string], key string) { put(c, s, c.key(key)) }

// key is key if it is one of an executable, and else "".
func (c *Collector) key(key string) string {
	if key == "" {
		return ""
	}
	ok, known := c.keys[key]
	if !known {
		file, applet := profile.SplitKey(key)
		ok = strings.HasPrefix(key, "/") && len(key) <= 2*maxPath && profile.Key(file, applet) == key
		if len(c.keys) < maxKeys && len(key) <= maxName {
			c.keys[key] = ok
		}
	}
	if !ok {
		c.refused++
		return ""
	}
	return key
}

// name reports whether people can read s, and counts it as refused if not.
func (c *Collector) name(s string) bool {
	ok := isName(s)
	if !ok {
		c.refused++
	}
	return ok
}

func isName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// word reports whether s is a short word of the given letters, and counts it
// as refused if not.
func (c *Collector) word(s, letters string) bool {
	ok := s != "" && len(s) <= 64 && strings.Trim(s, letters) == ""
	if !ok {
		c.refused++
	}
	return ok
}

// Letters of words.
const (
	lower = "abcdefghijklmnopqrstuvwxyz"
	upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digit = "0123456789"
)

func isTime(t time.Time) bool { year := t.UTC().Year(); return year >= 1 && year <= 9999 }

// when is a time that a profile can hold, and zero for others.
func when(t time.Time) time.Time {
	if !isTime(t) {
		return time.Time{}
	}
	return t
}
