package image

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Kind says where a reference points to.
type Kind int

// The places that lathe reads images from and writes images to.
const (
	Registry      Kind = iota // a repository of a registry, by tag or by digest
	OCI                       // a directory in OCI image layout
	DockerArchive             // a file as docker save writes it
	DockerDaemon              // the image store of a docker daemon
)

// The prefixes of the reference syntax; the words are skopeo's.
const (
	prefixRegistry      = "docker://"
	prefixOCI           = "oci:"
	prefixDockerArchive = "docker-archive:"
	prefixDockerDaemon  = "docker-daemon:"
)

// refForms is shown when a reference cannot be understood.
const refForms = `NAME[:TAG|@DIGEST], docker://NAME[:TAG|@DIGEST], oci:DIR[:TAG|@DIGEST], docker-archive:FILE[:NAME:TAG] or docker-daemon:NAME[:TAG]`

// String returns the word for k that the reference syntax uses.
func (k Kind) String() string {
	switch k {
	case Registry:
		return "registry"
	case OCI:
		return "oci"
	case DockerArchive:
		return "docker-archive"
	case DockerDaemon:
		return "docker-daemon"
	default:
		return fmt.Sprintf("Kind(%d)", int(k))
	}
}

// Ref is a parsed reference to one image or index.
type Ref struct {
	Kind Kind
	// Path is the directory (OCI) or the file (DockerArchive); empty otherwise.
	Path string
	// Name is the full repository name without tag and digest, such as
	// "index.docker.io/library/nginx" (Registry), or the image's name as typed
	// (DockerDaemon); empty otherwise.
	Name string
	// Tag is the tag (Registry, where it defaults to "latest" unless a digest
	// is given; OCI) or the whole "name:tag" inside the archive (DockerArchive).
	Tag string
	// Digest is set when the reference is by digest (Registry, OCI).
	Digest v1.Hash

	typed string
}

// ParseRef reads a reference in the words of skopeo; a bare name is a registry
// reference. It does no I/O. In "oci:DIR:TAG" and "docker-archive:FILE:TAG" the
// first colon ends the path.
func ParseRef(s string) (Ref, error) {
	if strings.ContainsFunc(s, isControl) {
		return Ref{}, fmt.Errorf("reference %q holds control characters", s)
	}
	ref, err := parseRef(s)
	if err != nil {
		return Ref{}, fmt.Errorf("reference %q: %w (want %s)", s, err, refForms)
	}
	ref.typed = s
	return ref, nil
}

func parseRef(s string) (Ref, error) {
	switch {
	case strings.HasPrefix(s, prefixOCI):
		return parseOCI(strings.TrimPrefix(s, prefixOCI))
	case strings.HasPrefix(s, prefixDockerArchive):
		return parseDockerArchive(strings.TrimPrefix(s, prefixDockerArchive))
	case strings.HasPrefix(s, prefixDockerDaemon):
		return parseDockerDaemon(strings.TrimPrefix(s, prefixDockerDaemon))
	case strings.HasPrefix(s, prefixRegistry):
		return parseRegistry(strings.TrimPrefix(s, prefixRegistry))
	}
	if scheme, _, ok := strings.Cut(s, "://"); ok {
		return Ref{}, fmt.Errorf("unknown kind %q", scheme)
	}
	for _, other := range []string{"oci-archive:", "containers-storage:"} {
		if strings.HasPrefix(s, other) {
			return Ref{}, fmt.Errorf("kind %q is not supported", strings.TrimSuffix(other, ":"))
		}
	}
	return parseRegistry(s)
}

func parseOCI(s string) (Ref, error) {
	ref := Ref{Kind: OCI}
	dir, digest, byDigest := strings.Cut(s, "@")
	if byDigest {
		h, err := parseDigest(digest)
		if err != nil {
			return Ref{}, err
		}
		ref.Path, ref.Digest = dir, h
	} else {
		path, tag, tagged := strings.Cut(s, ":")
		if tagged && tag == "" {
			return Ref{}, errors.New("the tag is empty")
		}
		ref.Path, ref.Tag = path, tag
	}
	if ref.Path == "" {
		return Ref{}, errors.New("the directory is empty")
	}
	return ref, nil
}

func parseDockerArchive(s string) (Ref, error) {
	path, tag, tagged := strings.Cut(s, ":")
	if path == "" {
		return Ref{}, errors.New("the file is empty")
	}
	if !tagged {
		return Ref{Kind: DockerArchive, Path: path}, nil
	}
	if _, err := dockerTag(tag); err != nil {
		return Ref{}, err
	}
	return Ref{Kind: DockerArchive, Path: path, Tag: tag}, nil
}

func parseDockerDaemon(s string) (Ref, error) {
	if _, err := name.ParseReference(s); err != nil {
		if _, idErr := parseDigest(s); idErr != nil {
			return Ref{}, err
		}
	}
	return Ref{Kind: DockerDaemon, Name: s}, nil
}

func parseRegistry(s string) (Ref, error) {
	r, err := name.ParseReference(s)
	if err != nil {
		return Ref{}, err
	}
	ref := Ref{Kind: Registry, Name: r.Context().Name()}
	switch r := r.(type) {
	case name.Digest:
		h, err := parseDigest(r.DigestStr())
		if err != nil {
			return Ref{}, err
		}
		ref.Digest = h
		ref.Tag = tagBeforeDigest(s)
	case name.Tag:
		ref.Tag = r.TagStr()
	}
	return ref, nil
}

// tagBeforeDigest returns TAG of "NAME:TAG@DIGEST". The digest decides what is
// read; the tag is kept for people.
func tagBeforeDigest(s string) string {
	base, _, _ := strings.Cut(s, "@")
	if i := strings.LastIndexByte(base, ':'); i > strings.LastIndexByte(base, '/') {
		return base[i+1:]
	}
	return ""
}

// dockerTag returns "name:tag" in full, as for instance
// "index.docker.io/library/alpine:3.20", so that two spellings compare equal.
func dockerTag(s string) (string, error) {
	t, err := name.NewTag(s)
	if err != nil {
		return "", err
	}
	return t.Name(), nil
}

// String returns the reference as it was typed, or its full form when it was
// not made by ParseRef.
func (r Ref) String() string {
	if r.typed != "" {
		return r.typed
	}
	suffix := ""
	if r.Tag != "" {
		suffix = ":" + r.Tag
	}
	if r.Digest != (v1.Hash{}) {
		suffix = "@" + r.Digest.String()
	}
	switch r.Kind {
	case OCI:
		return prefixOCI + r.Path + suffix
	case DockerArchive:
		return prefixDockerArchive + r.Path + suffix
	case DockerDaemon:
		return prefixDockerDaemon + r.Name
	default:
		return r.Name + suffix
	}
}

// WithDigest returns r pinned to h: what was resolved once is not looked up
// again.
func (r Ref) WithDigest(h v1.Hash) Ref {
	r.Digest, r.typed = h, ""
	return r
}

func isControl(c rune) bool { return c < 0x20 || c == 0x7f }
