package scan

// Struct reads an object: member is called for each member of it, reads it into
// to or passes over it.
func Struct[R, T any](s *Scanner, r R, to *T, member func(R, *T)) {
	for more := s.Object(); more && s.Member(); {
		member(r, to)
	}
}

// Pointer reads an object into a struct that is made where there is none yet.
func Pointer[R, T any](s *Scanner, r R, to **T, member func(R, *T)) {
	if *to == nil {
		*to = new(T)
	}
	Struct(s, r, *to, member)
}

// Repeated reads an object that most values repeat. Of two in one value the
// second would add to the first, so that one fails; has remembers the first.
func Repeated[R, T any](s *Scanner, r R, to *T, has *bool, memo *Memo[T], member func(R, *T)) {
	if *has {
		s.Fail()
		return
	}
	*has = true
	if known := memo.find(s); known != nil {
		*to = *known
		return
	}
	from := s.at
	Struct(s, r, to, member)
	memo.keep(s, from, to)
}

// IntPointer is a whole number like [Scanner.Int]. It is nil for null.
func IntPointer[N ~int64](s *Scanner) *N {
	if s.Null() {
		return nil
	}
	n := N(s.Int())
	return &n
}
