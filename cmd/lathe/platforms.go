package main

import (
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/profile"
)

// platformName is os/arch[/variant].
func platformName(p *v1.Platform) string {
	if p == nil {
		return "linux/unknown"
	}
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return name
}

// choose picks the images of the named platforms; without a name, all.
func choose(src *image.Source, names []string) ([]image.PlatformImage, error) {
	names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == "" })
	if len(names) == 0 {
		return src.Images, nil
	}
	var list []image.PlatformImage
	for _, name := range names {
		n := len(list)
		for _, img := range src.Images {
			if have := platformName(img.Platform); have == name || strings.HasPrefix(have, name+"/") {
				list = append(list, img)
			}
		}
		if len(list) == n {
			return nil, usage("the image has no platform %s: it has %s", name, strings.Join(platformNames(src), ", "))
		}
	}
	return list, nil
}

func platformNames(src *image.Source) []string {
	var names []string
	for _, img := range src.Images {
		names = append(names, platformName(img.Platform))
	}
	return names
}

// identity is what a profile can be about.
func identity(src *image.Source, img image.PlatformImage) (profile.Identity, error) {
	config, err := img.Image.ConfigName()
	if err != nil {
		return profile.Identity{}, fmt.Errorf("reading the config: %w", err)
	}
	file, err := img.Image.ConfigFile()
	if err != nil {
		return profile.Identity{}, fmt.Errorf("reading the config: %w", err)
	}
	id := profile.Identity{
		ManifestDigest: img.Descriptor.Digest.String(), ConfigDigest: config.String(), Platform: platformName(img.Platform),
	}
	for _, d := range file.RootFS.DiffIDs {
		id.DiffIDs = append(id.DiffIDs, d.String())
	}
	if src.Index != nil {
		id.IndexDigest = src.Digest.String()
	}
	return id, nil
}

// covered leaves the platforms that the profile is about; of an index the others
// are left out of the result, one line each.
func covered(env *environment, src *image.Source, list []image.PlatformImage, prof *profile.Profile, o hardenOptions) ([]image.PlatformImage, []string, error) {
	if src.Index == nil || len(list) == 1 || len(o.platforms) > 0 {
		return list, nil, nil
	}
	var in []image.PlatformImage
	var out []string
	for _, img := range list {
		id, err := identity(src, img)
		if err != nil {
			return nil, nil, err
		}
		samePlatform := slices.ContainsFunc(prof.Images, func(p profile.Image) bool { return p.Platform == id.Platform })
		if profile.Fits(prof, id).OK || o.rebase && samePlatform {
			in = append(in, img)
			continue
		}
		out = append(out, id.Platform)
		env.note("left out: %s, which no profile covers", id.Platform)
	}
	if len(in) == 0 && o.rebase {
		return nil, nil, usage("the profile does not say which platform it is of: choose one of %s with --platform", strings.Join(platformNames(src), ", "))
	}
	if len(in) == 0 {
		return list[:1], nil, nil // NewPlan says why it does not fit
	}
	return in, out, nil
}
