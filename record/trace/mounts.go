package trace

import (
	"bufio"
	"io"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

const (
	maxMounts    = 10_000
	maxMountLine = 64 << 10
)

// mounts is the mount points of a container other than its root, as paths in
// the container.
type mounts struct {
	known  bool
	points map[string]bool
}

// readMounts reads a mountinfo file (proc_pid_mountinfo(5)): the fifth field of
// a line is the mount point, with spaces and the like as octal escapes.
func readMounts(r io.Reader) mounts {
	m := mounts{points: map[string]bool{}}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxMountLine)
	for lines.Scan() && len(m.points) < maxMounts {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || !strings.HasPrefix(fields[4], "/") {
			continue
		}
		m.known = true
		if point := unescapeOctal(fields[4]); point != "/" {
			m.points[point] = true
		}
	}
	return m
}

func unescapeOctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			n, ok := 0, true
			for _, c := range []byte(s[i+1 : i+4]) {
				ok = ok && c >= '0' && c <= '7'
				n = n*8 + int(c-'0')
			}
			if ok && n < 256 {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// isVolume reports whether a path is in something that is mounted into the
// container.
func (m mounts) isVolume(path string) bool {
	for at := path; at != "" && at != "/"; at = at[:strings.LastIndexByte(at, '/')] {
		if m.points[at] {
			return true
		}
	}
	return false
}

// layer says where a path is kept: in a volume, in the image, or in what the
// container wrote. Without mounts and image nothing is known.
func (f *folder) layer(path string, inImage bool) string {
	switch {
	case f.mounts.isVolume(path):
		return profile.LayerVolume
	case f.opts.Resolve == nil || !f.mounts.known:
		return profile.LayerUnknown
	case inImage:
		return profile.LayerImage
	default:
		return profile.LayerUpper
	}
}
