package scan

import (
	"math"
	"unicode/utf8"
)

// maxDigits is how many digits any whole number of 64 bits has room for.
const maxDigits = 19

// Scanner reads one JSON value from its beginning to its end. A value is read by
// exactly one of its methods: an object by [Scanner.Object] and then
// [Scanner.Member] until that is false, with every member read, an array by
// [Scanner.Array] and [Scanner.Element]. Once it failed it only gives zero values
// and ends loops. Its zero value is ready for [Scanner.Reset].
type Scanner struct {
	data   []byte
	at     int
	first  bool // of an object or array: nothing was read of it
	failed bool
	name   []byte
	words  words
}

// Reset starts with another value. The data has to stay as it is until the value
// was read.
func (s *Scanner) Reset(data []byte) {
	s.data, s.at, s.first, s.failed, s.name = data, 0, false, false, nil
}

// Done reports whether the value was taken: it was read without failing and
// nothing but space is behind it.
func (s *Scanner) Done() bool {
	return !s.failed && pastSpace(s.data, s.at) == len(s.data)
}

// Fail gives the value up. Callers use it for what they leave to a complete
// decoder.
func (s *Scanner) Fail() {
	s.failed = true
	s.at = len(s.data)
}

// to goes on at an index; -1 fails.
func (s *Scanner) to(i int) {
	if i < 0 {
		s.Fail()
		return
	}
	s.at = i
}

// Peek is the first byte of the next value, such as { or a digit.
func (s *Scanner) Peek() byte {
	s.at = pastSpace(s.data, s.at)
	return byteAt(s.data, s.at)
}

// Null passes over a null and reports whether there was one.
func (s *Scanner) Null() bool {
	if s.Peek() != 'n' {
		return false
	}
	s.to(pastWord(s.data, s.at, "null"))
	return true
}

// Skip passes over the next value of any kind.
func (s *Scanner) Skip() { s.to(pastValue(s.data, s.at)) }

// Raw is the bytes of the next value of any kind. They are those given to
// Reset.
func (s *Scanner) Raw() []byte {
	s.Peek()
	from := s.at
	s.Skip()
	return s.data[from:s.at:s.at]
}

// Object enters an object. A null, too, fails: what it does to an object that
// was read before is left to others.
func (s *Scanner) Object() bool { return s.enter('{') }

// Array enters an array, like [Scanner.Object].
func (s *Scanner) Array() bool { return s.enter('[') }

func (s *Scanner) enter(open byte) bool {
	if s.Peek() != open {
		s.Fail()
		return false
	}
	s.at++
	s.first = true
	return true
}

// more goes to the next member or element, or leaves the object or array.
func (s *Scanner) more(end byte) bool {
	if s.failed {
		return false
	}
	c := byteAt(s.data, s.at)
	if c <= ' ' {
		c = s.Peek()
	}
	first := s.first
	s.first = false
	switch {
	case c == end:
		s.at++
		return false
	case first:
		return true
	case c == ',':
		s.at++
		return true
	default:
		s.Fail()
		return false
	}
}

// Member goes to the next member of an object and reports whether there is one.
// Its name is [Scanner.Name].
func (s *Scanner) Member() bool {
	if !s.more('}') {
		return false
	}
	if s.name = s.Text(); byteAt(s.data, s.at) != ':' && s.Peek() != ':' {
		s.Fail()
		return false
	}
	s.at++
	return true
}

// Name is the name of the member at hand, valid until the next call of Member.
func (s *Scanner) Name() []byte { return s.name }

// Element goes to the next element of an array and reports whether there is one.
func (s *Scanner) Element() bool { return s.more(']') }

// Text is a text, as the bytes between its quotes. A null fails.
func (s *Scanner) Text() []byte {
	if byteAt(s.data, s.at) != '"' && s.Peek() != '"' {
		s.Fail()
		return nil
	}
	from := s.at + 1
	end, ascii := plain(s.data, from)
	if byteAt(s.data, end) != '"' || !ascii && !utf8.Valid(s.data[from:end]) {
		s.Fail()
		return nil
	}
	s.at = end + 1
	return s.data[from:end]
}

// String is a text. It is "" for null.
func (s *Scanner) String() string {
	if s.Peek() == 'n' {
		s.Null()
		return ""
	}
	return s.words.of(s.Text())
}

// StringPointer is a text. It is nil for null.
func (s *Scanner) StringPointer() *string {
	if s.Null() {
		return nil
	}
	text := s.words.of(s.Text())
	return &text
}

// Strings is an array of texts. It is nil for null.
func (s *Scanner) Strings() []string {
	if s.Null() {
		return nil
	}
	list := []string{}
	for more := s.Array(); more && s.Element(); {
		list = append(list, s.String())
	}
	return list
}

// Bool is a true or false. It is false for null.
func (s *Scanner) Bool() bool {
	switch s.Peek() {
	case 't':
		s.to(pastWord(s.data, s.at, "true"))
		return !s.failed
	case 'f':
		s.to(pastWord(s.data, s.at, "false"))
	case 'n':
		s.Null()
	default:
		s.Fail()
	}
	return false
}

// BoolPointer is a true or false. It is nil for null.
func (s *Scanner) BoolPointer() *bool {
	if s.Null() {
		return nil
	}
	b := s.Bool()
	return &b
}

// Int is a whole number of 64 bits, as a number or as a text. It is 0
// for null.
func (s *Scanner) Int() int64 {
	switch s.Peek() {
	case 'n':
		s.Null()
		return 0
	case '"':
		n, end := whole(s.data, s.at+1)
		if end < 0 || byteAt(s.data, end) != '"' {
			s.Fail()
			return 0
		}
		s.at = end + 1
		return n
	default:
		n, end := whole(s.data, s.at)
		if c := byteAt(s.data, max(end, 0)); c == '.' || c|0x20 == 'e' {
			end = -1
		}
		s.to(end)
		return n
	}
}

// whole is the number at i and the index behind it, or -1.
func whole(d []byte, i int) (n int64, end int) {
	negative := byteAt(d, i) == '-'
	if negative {
		i++
	}
	first := i
	var u uint64
	for ; i < len(d) && d[i]-'0' < 10; i++ {
		if i-first == maxDigits {
			return 0, -1
		}
		u = u*10 + uint64(d[i]-'0')
	}
	if i == first || d[first] == '0' && i > first+1 || u > math.MaxInt64 {
		return 0, -1
	}
	if negative {
		return -int64(u), i
	}
	return int64(u), i
}
