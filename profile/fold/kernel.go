package fold

import (
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// Path makes a path as kernels and recorders print it one that a profile can
// hold. It takes off " (deleted)" and the directory under which a container
// engine mounts a root, and knows files without a name on disk, which are in
// profile.LayerMemfd. It is "" for what is no path, such as a pipe. Layer is ""
// where the path tells nothing.
func Path(s string) (p profile.Path, layer string) {
	s, deleted := strings.CutSuffix(s, " (deleted)")
	if name, ok := strings.CutPrefix(strings.TrimPrefix(s, "/"), "memfd:"); ok {
		return profile.Path("/memfd:" + name), profile.LayerMemfd
	}
	if !strings.HasPrefix(s, "/") {
		return "", ""
	}
	if deleted {
		layer = profile.LayerUnknown
	}
	return profile.Path(inRoot(s)), layer
}

// inRoot takes off the directory of a container's root on its host, as docker,
// containerd and CRI-O mount them.
func inRoot(s string) string {
	if !strings.HasPrefix(s, "/var/lib/") && !strings.HasPrefix(s, "/run/") {
		return s
	}
	for _, engine := range [][2]string{
		{"/overlay2/", "/merged/"},
		{"/io.containerd.runtime.v2.task/", "/rootfs/"},
		{"/overlay/", "/merged/"},
		{"/overlay-containers/", "/rootfs/"},
	} {
		_, rest, ok := strings.Cut(s, engine[0])
		if !ok {
			continue
		}
		if _, file, ok := strings.Cut(rest, engine[1]); ok {
			return "/" + file
		}
	}
	return s
}

// Join makes a path of a call absolute: "." and empty segments go, and ".." of
// the root; what else ".." means is for the image to say.
func Join(dir, arg string) string {
	joined := dir + "/" + arg
	if strings.HasPrefix(arg, "/") {
		joined = arg
	}
	if !strings.Contains(joined, "/.") && !strings.Contains(joined, "//") && !strings.HasSuffix(joined, "/") {
		return joined
	}
	var b strings.Builder
	for segment := range strings.SplitSeq(joined, "/") {
		if segment == "" || segment == "." || segment == ".." && b.Len() == 0 {
			continue
		}
		b.WriteByte('/')
		b.WriteString(segment)
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// Errno is the name of an error of Linux by its number, for those that tell
// something about a path or a peer; "" for others. The sign does not matter.
func Errno(n int64) string {
	switch max(n, -n) {
	case 1:
		return "EPERM"
	case 2:
		return "ENOENT"
	case 13:
		return "EACCES"
	case 20:
		return "ENOTDIR"
	case 40:
		return "ELOOP"
	case 101:
		return "ENETUNREACH"
	case 104:
		return "ECONNRESET"
	case 110:
		return "ETIMEDOUT"
	case 111:
		return "ECONNREFUSED"
	case 113:
		return "EHOSTUNREACH"
	case 115:
		return "EINPROGRESS"
	default:
		return ""
	}
}

// IsMissing reports whether an error says that a path is not there.
func IsMissing(errno string) bool { return errno == "ENOENT" || errno == "ENOTDIR" }

// Result is what became of a connection that ended with an error by its name;
// "" is no error, and profile.ResultInProgress is for errors that leave it open.
func Result(errno string) string {
	switch errno {
	case "":
		return profile.ResultEstablished
	case "ECONNREFUSED", "ECONNRESET":
		return profile.ResultRefused
	case "ETIMEDOUT":
		return profile.ResultTimeout
	case "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL", "EAFNOSUPPORT":
		return profile.ResultUnreachable
	case "EACCES", "EPERM":
		return profile.ResultDenied
	default:
		return profile.ResultInProgress
	}
}

// Flags of open(2) that are the same on all architectures that containers run on.
const (
	flagWrite     = 1
	flagReadWrite = 2
	flagCreate    = 0o100
)

// Opened is how an open with these flags uses a file.
func Opened(flags int64) []string {
	access := []string{profile.AccessOpen, profile.AccessRead, profile.AccessWrite, profile.AccessCreate}
	switch {
	case flags&flagReadWrite != 0:
	case flags&flagWrite != 0:
		access = append(access[:1], access[2:]...)
	default:
		access = append(access[:2], access[3:]...)
	}
	if flags&flagCreate == 0 {
		access = access[:len(access)-1]
	}
	return access
}

// OpenedBy is [Opened] for flags by their names, such as O_RDWR|O_CLOEXEC.
func OpenedBy(flags string) []string {
	var n int64
	for name := range strings.SplitSeq(flags, "|") {
		switch strings.TrimSpace(name) {
		case "O_WRONLY":
			n |= flagWrite
		case "O_RDWR":
			n |= flagReadWrite
		case "O_CREAT":
			n |= flagCreate
		}
	}
	return Opened(n)
}

// maxRecent is how many values a [Recent] keeps at least.
const maxRecent = 1 << 16

// Recent is a map that forgets what was not used for long, so that tables of
// processes do not grow with a recording. The zero Recent is empty.
type Recent[K comparable, V any] struct{ young, old map[K]V }

// Get is the value of a key.
func (r *Recent[K, V]) Get(key K) (V, bool) {
	if v, ok := r.young[key]; ok {
		return v, true
	}
	v, ok := r.old[key]
	if ok {
		r.Put(key, v)
	}
	return v, ok
}

// Put sets the value of a key.
func (r *Recent[K, V]) Put(key K, value V) {
	if r.young == nil || len(r.young) >= maxRecent {
		r.young, r.old = map[K]V{}, r.young
	}
	r.young[key] = value
}
