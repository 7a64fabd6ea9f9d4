package image

import (
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
)

// Options say how places are reached. The zero value is what crane does.
type Options struct {
	// Insecure allows plain HTTP and certificates that nobody vouches for.
	Insecure bool
	// CAFile names a PEM file with certificates to trust besides the system's.
	CAFile string
	// Timeout is the longest time that a request may make no progress, and
	// the longest wait for an answer; zero means DefaultTimeout.
	Timeout time.Duration
	// DockerHost replaces DOCKER_HOST: unix:///path or tcp://host:port.
	DockerHost string
	// UserAgent is sent to registries; empty means "lathe".
	UserAgent string
	// Keychain finds credentials; nil means authn.DefaultKeychain: the docker
	// configuration with its credential helpers, or podman's auth file.
	Keychain authn.Keychain
	// MountFrom names a registry reference whose repository may hold blobs
	// that are about to be pushed; a registry that has them there does not
	// need them sent again. Only used when it is on the same registry.
	MountFrom Ref
	// TempDir holds downloads from a docker daemon and unpacked archives;
	// empty means the system's.
	TempDir string
	// CacheDir is a directory that keeps the blobs that are read from
	// registries; empty is none. Several processes may share it.
	CacheDir string
	// CacheBytes is how much CacheDir may hold; zero means DefaultCacheBytes. A
	// larger blob is not kept.
	CacheBytes int64
	// Limits bound what is read; fields that are zero have their defaults.
	Limits Limits

	retry retryPolicy
}

// DefaultTimeout is the time without progress after which a request fails.
const DefaultTimeout = time.Minute

func (o Options) timeout() time.Duration {
	if o.Timeout <= 0 {
		return DefaultTimeout
	}
	return o.Timeout
}

func (o Options) keychain() authn.Keychain {
	if o.Keychain == nil {
		return authn.DefaultKeychain
	}
	return o.Keychain
}

// Limits bound what an image may ask of us. A field that is zero has the
// default given with it.
type Limits struct {
	DocumentBytes  int64 // manifest, index or config: 4 MiB, as registries and podman have it
	LayerBytes     int64 // one layer as stored: 64 GiB
	Layers         int   // layers of one image: 1024
	Manifests      int   // members of an index, nested ones included: 1024
	IndexDepth     int   // index in index: 3
	ArchiveMembers int   // members of a docker archive: 100000
	ArchiveBytes   int64 // a docker archive, unpacked from gzip or zstd: 256 GiB
}

// DefaultLimits returns the limits that apply when nothing else is said.
func DefaultLimits() Limits {
	return Limits{
		DocumentBytes:  4 << 20,
		LayerBytes:     64 << 30,
		Layers:         1024,
		Manifests:      1024,
		IndexDepth:     3,
		ArchiveMembers: 100_000,
		ArchiveBytes:   256 << 30,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	l.DocumentBytes = orDefault(l.DocumentBytes, d.DocumentBytes)
	l.LayerBytes = orDefault(l.LayerBytes, d.LayerBytes)
	l.Layers = orDefault(l.Layers, d.Layers)
	l.Manifests = orDefault(l.Manifests, d.Manifests)
	l.IndexDepth = orDefault(l.IndexDepth, d.IndexDepth)
	l.ArchiveMembers = orDefault(l.ArchiveMembers, d.ArchiveMembers)
	l.ArchiveBytes = orDefault(l.ArchiveBytes, d.ArchiveBytes)
	return l
}

func orDefault[T int | int64](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}
