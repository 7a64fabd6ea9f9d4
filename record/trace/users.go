package trace

import (
	"strconv"
	"strings"
)

// users maps user ids of the host to those of a user namespace. None at all is
// the host's own.
type users []userRange

type userRange struct{ inside, outside, length uint32 }

// readUsers reads a file /proc/PID/uid_map: the first id inside, the first one
// outside, and how many there are (user_namespaces(7)). A process in our own
// namespace has one range from 0 to 0.
func readUsers(text string) users {
	var out users
	for line := range strings.Lines(text) {
		var n [3]uint32
		fields := strings.Fields(line)
		if len(fields) != len(n) {
			continue
		}
		ok := true
		for i, field := range fields {
			v, err := strconv.ParseUint(field, 10, 32)
			ok = ok && err == nil
			n[i] = uint32(v)
		}
		if ok {
			out = append(out, userRange{n[0], n[1], n[2]})
		}
	}
	return out
}

// inside is a user id as the container sees it; ok is false for users that it
// does not have.
func (u users) inside(id uint32) (inside uint32, ok bool) {
	if len(u) == 0 {
		return id, true
	}
	for _, r := range u {
		if id >= r.outside && id-r.outside < r.length {
			return r.inside + (id - r.outside), true
		}
	}
	return 0, false
}
