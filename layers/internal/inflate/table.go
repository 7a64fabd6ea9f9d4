package inflate

import "math/bits"

// A table maps the next bits of the input to an entry. Codes of up to the
// table's root bits are found at once; longer ones through an entry that leads
// to a table of their own.
//
//	bits 0-7    bits to take from the input: of the code and, for lengths and
//	            distances, the extra bits after it
//	bits 8-11   bits of the code alone; of a link the bits of its own table
//	bits 12-15  what it is
//	bits 16-31  a literal, the base of a length or distance, or where a link leads
type entry uint32

const (
	isLiteral entry = 1 << 12
	isEnd     entry = 1 << 13
	isLink    entry = 1 << 14
	isBad     entry = 1 << 15
	special         = isEnd | isLink | isBad

	maxCode  = 15 // bits of the longest code
	litRoot  = 11
	distRoot = 8
	preRoot  = 7

	// Entries that a table can need at most: its root, and for each link half
	// as many more as codes may still come below it. No set of codes needs all.
	litSize  = 1<<litRoot + 288*(1<<(maxCode-litRoot))
	distSize = 1<<distRoot + 32*(1<<(maxCode-distRoot))
)

func (e entry) take() uint  { return uint(e & 0xff) }
func (e entry) code() uint  { return uint(e>>8) & 15 }
func (e entry) value() uint { return uint(e >> 16) }

// build fills the table for codes of these lengths, one a symbol, and reports
// whether they are a code: complete, or a single code of one bit, or none at
// all. entries gives a symbol's entry without its bits.
func build(table []entry, root uint, lengths []uint8, symbol func(int) (entry, uint)) bool {
	var count, next [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	code, longest := 0, 0
	for n := 1; n <= maxCode; n++ {
		code <<= 1
		next[n] = code
		code += count[n]
		if count[n] > 0 {
			longest = n
		}
		if code > 1<<n {
			return false
		}
	}
	code >>= maxCode - longest
	clear(table[:1<<root])
	for i := range table[:1<<root] {
		table[i] = isBad
	}
	if longest == 0 {
		return true
	}
	if code != 1<<longest && (code != 1 || longest != 1) {
		return false
	}
	free := 1 << root
	for sym, n := range lengths {
		if n == 0 {
			continue
		}
		e, extra := symbol(sym)
		reversed := uint(bits.Reverse16(uint16(next[n])) >> (16 - n))
		next[n]++
		free = place(table, root, free, reversed, uint(n), longest, e, extra)
	}
	return true
}

// place writes the entries of one code of n bits, whose bits are in the order
// of the input, and gives the first entry that is still free.
func place(table []entry, root uint, free int, code, n uint, longest int, e entry, extra uint) int {
	if n <= root {
		e |= entry(n<<8 | (n + extra))
		for i := code; i < 1<<root; i += 1 << n {
			table[i] = e
		}
		return free
	}
	low := code & (1<<root - 1)
	own := uint(longest) - root // every link's table has room for the longest code
	if table[low]&isLink == 0 {
		table[low] = isLink | entry(free)<<16 | entry(own<<8|root)
		for i := range 1 << own {
			table[free+i] = isBad
		}
		free += 1 << own
	}
	start := uint(table[low] >> 16)
	n -= root
	e |= entry(n<<8 | (n + extra))
	for i := code >> root; i < 1<<own; i += 1 << n {
		table[start+i] = e
	}
	return free
}

// litSymbol is the entry of a literal or length, RFC 1951 section 3.2.5.
func litSymbol(s int) (entry, uint) {
	switch {
	case s < 256:
		return isLiteral | entry(s)<<16, 0
	case s == 256:
		return isEnd, 0
	case s < 265:
		return entry(s-257+3) << 16, 0
	case s < 285:
		extra := uint(s-261) / 4
		return entry(3+(4+(s-261)%4)<<extra) << 16, extra
	case s == 285:
		return entry(258) << 16, 0
	}
	return isBad, 0
}

// distSymbol is the entry of a distance, RFC 1951 section 3.2.5.
func distSymbol(s int) (entry, uint) {
	switch {
	case s < 4:
		return entry(s+1) << 16, 0
	case s < 30:
		extra := uint(s-2) / 2
		return entry(1+(2+s%2)<<extra) << 16, extra
	}
	return isBad, 0
}

// preSymbol is the entry of a code length.
func preSymbol(s int) (entry, uint) { return entry(s) << 16, 0 }
