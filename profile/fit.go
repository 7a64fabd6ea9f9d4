package profile

import "slices"

// Identity is what is known about an image that a profile is to be used on.
// Digests are written "sha256:" and hex digits; empty ones are not compared.
type Identity struct {
	ManifestDigest string
	IndexDigest    string
	ConfigDigest   string
	DiffIDs        []string // base first
	Platform       string   // os/arch[/variant]
}

// Fit says whether and by what a profile is about an image.
type Fit struct {
	OK    bool
	By    string // manifest, index, config or diffIDs; "" when not OK
	Image Image  // the profile's image that matched
}

// Fits compares the images of p with id. One equal digest of manifest, index
// or config, or an equal list of diff IDs, is enough; an index counts only
// where the platform is not known to be another.
func Fits(p *Profile, id Identity) Fit {
	for _, img := range p.Images {
		if by := fitsBy(img, id); by != "" {
			return Fit{OK: true, By: by, Image: img}
		}
	}
	return Fit{}
}

func fitsBy(img Image, id Identity) string {
	samePlatform := img.Platform == "" || id.Platform == "" || img.Platform == id.Platform
	switch {
	case img.Digest != "" && img.Digest == id.ManifestDigest:
		return "manifest"
	case id.ConfigDigest != "" && slices.Contains(img.ConfigDigest, id.ConfigDigest):
		return "config"
	case len(id.DiffIDs) > 0 && slices.Equal(img.DiffIDs, id.DiffIDs):
		return "diffIDs"
	case id.IndexDigest != "" && samePlatform && slices.Contains(img.IndexDigest, id.IndexDigest):
		return "index"
	case id.IndexDigest != "" && samePlatform && img.Digest == id.IndexDigest:
		return "index"
	}
	return ""
}
