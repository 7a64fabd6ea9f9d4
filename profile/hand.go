package profile

import "slices"

// ByHand returns a test for executables that people ran in the container: an
// attached session, or a program on a terminal of which nobody knows that the
// container started it. A terminal tells people apart only where some programs
// have none and none that the container started has one: else it is the
// container's own.
func (p *Profile) ByHand() func(*Executable) bool {
	own, without := false, false
	for i := range p.Executables {
		x := &p.Executables[i]
		own = own || x.TTY && x.ownOrigin()
		without = without || !x.TTY
	}
	tells := without && !own
	return func(x *Executable) bool {
		switch {
		case x.ownOrigin():
			return false
		case x.TTY && tells:
			return true
		}
		return slices.Contains(x.Origin, OriginAttach) && !slices.Contains(x.Origin, OriginUnknown)
	}
}

// ownOrigin reports whether the container is known to have started it itself.
func (x *Executable) ownOrigin() bool {
	return slices.ContainsFunc(x.Origin, func(o string) bool { return o != OriginAttach && o != OriginUnknown })
}
