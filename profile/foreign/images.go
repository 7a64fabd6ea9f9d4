package foreign

import (
	"slices"

	"github.com/lathe-build/lathe/profile"
)

// ImageNames is the names of images that the records of a container give, by
// what [ImageOf] makes of them.
type ImageNames map[string]profile.Image

// Add notes the names of one image, of which some may be digests.
func (n ImageNames) Add(names ...string) {
	var image profile.Image
	key := ""
	for _, name := range names {
		key += name + "\x00"
	}
	if _, ok := n[key]; ok || len(n) >= maxListed {
		return
	}
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

// Foreign is a note for a source whose records name digests that are none of
// the image's that the user names, or "".
func (n ImageNames) Foreign(opts Options) string {
	i := opts.Image
	ours := append(append([]string{i.Digest}, i.IndexDigest...), i.ConfigDigest...)
	var theirs []string
	for _, image := range n {
		for _, digest := range append([]string{image.Digest}, image.ConfigDigest...) {
			if digest != "" && !slices.Contains(ours, digest) {
				theirs = append(theirs, digest)
			}
		}
	}
	if len(theirs) == 0 || i.Digest == "" && len(i.ConfigDigest) == 0 {
		return ""
	}
	return "the records name " + slices.Min(theirs) + ", which is no digest of the image that this profile is said to be about"
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
