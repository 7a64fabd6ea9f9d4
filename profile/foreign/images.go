package foreign

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lathe-build/lathe/profile"
)

// ImageNames is the names of images that the records of a container give, by
// what [ImageOf] makes of them.
type ImageNames map[string]profile.Image

// Add notes the names of one image, of which some may be digests.
func (n ImageNames) Add(names ...string) {
	var image profile.Image
	id := make([]byte, 0, 512)
	for _, name := range names {
		id = append(append(id, name...), 0)
	}
	if _, ok := n[string(id)]; ok || len(n) >= maxListed {
		return
	}
	key := string(id)
	for _, name := range names {
		ref, digest := ImageOf(name)
		switch {
		case digest != "" && ref == "":
			// Runtimes give the config's digest as the bare id of an image.
			image.ConfigDigest = append(image.ConfigDigest, digest)
		case digest != "":
			// A registry's digest: of the manifest or of the index.
			image.Digest, image.IndexDigest = digest, append(image.IndexDigest, digest)
		case ref != "":
			image.Refs = append(image.Refs, toText(ref))
		}
	}
	if image.Digest != "" || len(image.ConfigDigest) > 0 || len(image.Refs) > 0 {
		n[key] = image
	}
}

// ErrImage is returned for evidence of another image than the user names.
var ErrImage = errors.New("the evidence is of another image")

// Check compares the images that the records name with the one that the user
// names, and gives a note for the source where digests differ. It is [ErrImage]
// where the records' digest is neither that of the manifest nor of the index nor
// of the config, all three of which are known, unless the options take evidence
// of another image.
func (n ImageNames) Check(opts Options) (note string, err error) {
	theirs := ""
	for _, image := range n {
		if digest := Contradicts(image, opts.Image); digest != "" && (theirs == "" || digest < theirs) {
			theirs = digest
		}
	}
	i := opts.Image
	switch {
	case theirs == "":
		return "", nil
	case !opts.Rebase && i.Digest != "" && len(i.IndexDigest) > 0 && len(i.ConfigDigest) > 0:
		return "", fmt.Errorf("%w: the records name %s, and the image has the manifest %s, the index %s and the config %s",
			ErrImage, theirs, i.Digest, i.IndexDigest[0], i.ConfigDigest[0])
	}
	return "the records name " + theirs + ", which is no digest of the image that this profile is said to be about", nil
}

// Contradicts is a digest of an image that records name, where none of its
// digests is one of the image that the user names, or "".
func Contradicts(records, said profile.Image) string {
	if said.Digest == "" && len(said.ConfigDigest) == 0 {
		return ""
	}
	ours := slices.Concat([]string{said.Digest}, said.IndexDigest, said.ConfigDigest)
	theirs := ""
	for _, digest := range slices.Concat([]string{records.Digest}, records.ConfigDigest) {
		switch {
		case digest == "":
		case slices.Contains(ours, digest):
			return ""
		default:
			theirs = digest
		}
	}
	return theirs
}

// Images is the image that the user names, or else those that the records do.
func Images(opts Options, names ImageNames) []profile.Image {
	if i := opts.Image; i.Digest != "" || len(i.ConfigDigest) > 0 || len(i.Refs) > 0 {
		return []profile.Image{i}
	}
	var keys []string
	for key := range names {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var images []profile.Image
	for _, key := range keys {
		images = append(images, names[key])
	}
	return images
}
