package inflate

// fixed takes the codes that need no description, RFC 1951 section 3.2.6.
func (r *Reader) fixed() {
	if r.fixedLit == nil {
		var n [288]uint8
		for i := range n {
			switch {
			case i < 144:
				n[i] = 8
			case i < 256:
				n[i] = 9
			case i < 280:
				n[i] = 7
			default:
				n[i] = 8
			}
		}
		r.fixedLit = new([litSize]entry)
		build(r.fixedLit[:], litRoot, n[:], litSymbol)
		var d [32]uint8
		for i := range d {
			d[i] = 5
		}
		r.fixedDist = new([distSize]entry)
		build(r.fixedDist[:], distRoot, d[:], distSymbol)
	}
	r.lit, r.dist = r.fixedLit, r.fixedDist
}

// dynamic reads the codes of a block, RFC 1951 section 3.2.7.
func (r *Reader) dynamic() {
	if !r.need(14) {
		return
	}
	nlit, ndist, npre := int(r.take(5))+257, int(r.take(5))+1, int(r.take(4))+4 //nolint:gosec // a few bits
	if nlit > 286 || ndist > 30 {
		r.err = ErrCorrupt
		return
	}
	order := [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	var pre [19]uint8
	for _, i := range order[:npre] {
		if !r.need(3) {
			return
		}
		pre[i] = uint8(r.take(3)) //nolint:gosec // 3 bits
	}
	var table [1 << preRoot]entry
	if !build(table[:], preRoot, pre[:], preSymbol) {
		r.err = ErrCorrupt
		return
	}
	var lengths [286 + 30]uint8
	if !r.lengths(&table, lengths[:nlit+ndist]) {
		return
	}
	r.lit, r.dist = &r.litMem, &r.distMem
	if !build(r.lit[:], litRoot, lengths[:nlit], litSymbol) || !build(r.dist[:], distRoot, lengths[nlit:nlit+ndist], distSymbol) {
		r.err = ErrCorrupt
	}
}

// lengths reads the lengths of the codes, which are coded themselves.
func (r *Reader) lengths(table *[1 << preRoot]entry, lengths []uint8) bool {
	for i := 0; i < len(lengths); {
		sym, ok := r.symbol(table)
		if !ok {
			return false
		}
		if sym < 16 {
			lengths[i] = uint8(sym) //nolint:gosec // below 16
			i++
			continue
		}
		bits, base, value := uint(3), uint(3), uint8(0)
		switch sym {
		case 16:
			if bits = 2; i == 0 {
				r.err = ErrCorrupt
				return false
			}
			value = lengths[i-1]
		case 18:
			bits, base = 7, 11
		}
		if !r.need(bits) {
			return false
		}
		n := int(base + r.take(bits)) //nolint:gosec // at most 138
		if i+n > len(lengths) {
			r.err = ErrCorrupt
			return false
		}
		for ; n > 0; n-- {
			lengths[i] = value
			i++
		}
	}
	return true
}

// symbol reads one code length. It asks for no more bits than the code has.
func (r *Reader) symbol(table *[1 << preRoot]entry) (uint, bool) {
	for {
		e := table[r.acc&(1<<preRoot-1)]
		if e&isBad == 0 && e.take() <= r.have {
			r.take(e.take())
			return e.value(), true
		}
		if r.have >= preRoot {
			r.err = ErrCorrupt
			return 0, false
		}
		if !r.need(r.have + 1) {
			return 0, false
		}
	}
}
