package drift

import (
	"net/netip"
	"slices"
	"sort"
)

// span is a run of addresses of one family, both ends included.
type span struct{ from, to netip.Addr }

// spansOf are the addresses of blocks less others, sorted and apart.
func spansOf(cidrs, except []string) []span {
	return subtract(parseSpans(cidrs), parseSpans(except))
}

func parseSpans(cidrs []string) []span {
	list := make([]span, 0, len(cidrs))
	for _, text := range cidrs {
		if block, err := netip.ParsePrefix(text); err == nil {
			list = append(list, span{block.Masked().Addr(), lastOf(block)})
		}
	}
	return join(list)
}

// lastOf is the last address of a block.
func lastOf(block netip.Prefix) netip.Addr {
	raw := block.Addr().AsSlice()
	for bit := block.Bits(); bit < 8*len(raw); bit++ {
		raw[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(raw)
	return last
}

// join sorts spans and joins those that touch.
func join(list []span) []span {
	slices.SortFunc(list, func(a, b span) int { return a.from.Compare(b.from) })
	out := list[:0]
	for _, s := range list {
		if n := len(out); n > 0 && touches(out[n-1], s) {
			if s.to.Compare(out[n-1].to) > 0 {
				out[n-1].to = s.to
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// touches reports whether b, which does not start before a, continues it.
func touches(a, b span) bool {
	return a.to.BitLen() == b.from.BitLen() && (b.from.Compare(a.to) <= 0 || a.to.Next() == b.from)
}

// subtract is what of a is not in b. Both come sorted and apart.
func subtract(a, b []span) []span {
	var out []span
	for _, s := range a {
		i := sort.Search(len(b), func(i int) bool { return b[i].to.Compare(s.from) >= 0 })
		whole := true
		for ; i < len(b) && b[i].from.Compare(s.to) <= 0; i++ {
			if b[i].from.Compare(s.from) > 0 {
				out = append(out, span{s.from, b[i].from.Prev()})
			}
			if b[i].to.Compare(s.to) >= 0 {
				whole = false
				break
			}
			s.from = b[i].to.Next()
		}
		if whole {
			out = append(out, s)
		}
	}
	return out
}

// overlap reports whether two lists share an address.
func overlap(a, b []span) bool {
	return slices.ContainsFunc(a, func(s span) bool {
		i := sort.Search(len(b), func(i int) bool { return b[i].to.Compare(s.from) >= 0 })
		return i < len(b) && b[i].from.Compare(s.to) <= 0
	})
}

// blocks writes spans as the fewest blocks that hold the same addresses.
func blocks(list []span) []string {
	var out []string
	for _, s := range list {
		for from := s.from; ; {
			bits := from.BitLen()
			for bits > 0 {
				wider := netip.PrefixFrom(from, bits-1)
				if wider.Masked().Addr() != from || lastOf(wider).Compare(s.to) > 0 {
					break
				}
				bits--
			}
			block := netip.PrefixFrom(from, bits)
			out = append(out, block.String())
			last := lastOf(block)
			if last == s.to {
				break
			}
			from = last.Next()
		}
	}
	return out
}
