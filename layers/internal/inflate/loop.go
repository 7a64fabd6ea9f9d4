package inflate

// loop decodes symbols while pos is at most last and there is room for a
// longest match, and reports whether the block ended. Bits of input that were
// taken into the register and not used are left there.
//
//nolint:gocognit,funlen // the one loop that a run's time goes into: calls in it cost a third
func (r *Reader) loop(last int) bool {
	in, out := r.in, r.out
	pos, op := r.pos, r.op
	acc, have := r.acc, r.have
	reach := op - r.full // where this member's bytes begin
	lit, dist := r.lit, r.dist
	litMask := uint64(1<<litRoot - 1)
	distMask := uint64(1<<distRoot - 1)
	done := false
	for pos <= last && op < outSize {
		acc |= load64(in, pos) << (have & 63)
		pos += int(63-have) >> 3
		have |= 56
		e := lit[acc&litMask]
		if e&isLiteral != 0 { // up to three literals of at most 11 bits, then 23 bits are left
			acc >>= e.take() & 63
			have -= e.take()
			out[op] = byte(e >> 16)
			op++
			e = lit[acc&litMask]
			if e&isLiteral != 0 {
				acc >>= e.take() & 63
				have -= e.take()
				out[op] = byte(e >> 16)
				op++
				e = lit[acc&litMask]
				if e&isLiteral != 0 {
					acc >>= e.take() & 63
					have -= e.take()
					out[op] = byte(e >> 16)
					op++
					continue
				}
			}
			acc |= load64(in, pos) << (have & 63)
			pos += int(63-have) >> 3
			have |= 56
		}
		if e&special != 0 {
			if e&isLink != 0 {
				acc >>= litRoot
				have -= litRoot
				e = lit[e.value()+uint(acc)&(1<<e.code()-1)]
			}
			if e&isLiteral != 0 {
				acc >>= e.take() & 63
				have -= e.take()
				out[op] = byte(e >> 16)
				op++
				continue
			}
			if e&special != 0 {
				if e&isEnd != 0 {
					acc >>= e.take() & 63
					have -= e.take()
					done = true
					break
				}
				r.err = ErrCorrupt
				break
			}
		}
		length := e.value() + uint(acc>>e.code())&(1<<((e.take()-e.code())&63)-1)
		acc >>= e.take() & 63
		have -= e.take()
		e = dist[acc&distMask]
		if e&special != 0 {
			if e&isLink != 0 {
				acc >>= distRoot
				have -= distRoot
				e = dist[e.value()+uint(acc)&(1<<e.code()-1)]
			}
			if e&special != 0 {
				r.err = ErrCorrupt
				break
			}
		}
		back := int(e.value() + uint(acc>>e.code())&(1<<((e.take()-e.code())&63)-1)) //nolint:gosec // at most 32768
		acc >>= e.take() & 63
		have -= e.take()
		from := op - back
		if from < reach {
			r.err = ErrCorrupt
			break
		}
		end := op + int(length) //nolint:gosec // at most 258
		switch {
		case back >= 8:
			for {
				store64(out, op, load64(out, from))
				op += 8
				from += 8
				if op >= end {
					break
				}
			}
		case back == 1:
			word := uint64(out[from]) * 0x0101010101010101
			for ; op < end; op += 8 {
				store64(out, op, word)
			}
		default:
			for ; op < end; op++ {
				out[op] = out[from]
				from++
			}
		}
		op = end
	}
	r.pos, r.op, r.acc, r.have = pos, op, acc, have
	return done
}
