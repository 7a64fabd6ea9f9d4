package strace

import (
	"strings"
	"time"
)

// wall is the time of a line where the log has the date.
func wall(l line) time.Time {
	if l.clock != epochClock {
		return time.Time{}
	}
	return time.Unix(0, int64(l.at)).UTC()
}

// isPath reports whether a path can be in a profile.
func isPath(s string) bool {
	return strings.HasPrefix(s, "/") && !strings.Contains(s, "\x00")
}

// set is a set of words.
type set map[string]struct{}
