package kubescape

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// selected is one container of one object.
type selected struct {
	object    object
	container container
	role      string // containers, initContainers or ephemeralContainers
}

// Format is the row of this package in the table of formats.
func Format() foreign.Format {
	return foreign.Format{
		Name:   "kubescape",
		About:  "ApplicationProfile, ContainerProfile and NetworkNeighborhood objects",
		Detect: detect,
		Import: importObjects,
	}
}

// importObjects makes an unbound profile of the evidence about one container,
// with a source for each object. It fails for objects that cannot be read, where
// they are about several images, and where it is not clear which container is
// meant; objects of other kinds are skipped.
func importObjects(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, error) {
	records := foreign.NewLog("kubescape", inputs, opts)
	var objects []object
	err := records.Objects(ctx, func(from foreign.Object) error {
		o, err := decode(from)
		switch {
		case errors.Is(err, errKind):
			return err
		case err != nil:
			return foreign.Fatal(err)
		case opts.Namespace == "" || opts.Namespace == workloadOf(o).Namespace:
			objects = append(objects, o)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	p, err := assemble(objects, records.Source(), opts)
	if err != nil {
		return nil, fmt.Errorf("importing kubescape: %w", err)
	}
	return p, nil
}

func assemble(objects []object, about profile.Source, opts foreign.Options) (*profile.Profile, error) {
	chosen, err := choose(objects, opts.Container)
	if err != nil {
		return nil, err
	}
	var parts []*profile.Profile
	for _, s := range chosen {
		p, err := convert(s, about, opts)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	if err := agree(chosen, parts, opts); err != nil {
		return nil, err
	}
	p, err := profile.Merge(parts...)
	if err != nil {
		return nil, err
	}
	return p, p.Validate()
}

// The roles of containers in a pod.
const (
	roleApp       = "containers"
	roleInit      = "initContainers"
	roleEphemeral = "ephemeralContainers"
)

// flatten lists the containers of an object.
func flatten(o object) []selected {
	var all []selected
	for _, group := range []struct {
		role string
		list []container
	}{{roleApp, o.Spec.Containers}, {roleInit, o.Spec.InitContainers}, {roleEphemeral, o.Spec.EphemeralContainers}} {
		for _, c := range group.list {
			all = append(all, selected{o, c, group.role})
		}
	}
	if len(all) > 0 || o.Kind != kindContainer {
		return all
	}
	c := o.Spec.Own
	c.Name = containerName(o)
	role := o.Metadata.Annotations["kubescape.io/workload-container-type"]
	if role == "" {
		role = roleApp
	}
	return []selected{{o, c, role}}
}

// containerName is the name of the container that an object of one container is
// about; where the cluster did not write it, the object's own name.
func containerName(o object) string {
	if name := o.Metadata.Labels["kubescape.io/workload-container-name"]; name != "" {
		return name
	}
	if _, name, ok := strings.Cut(o.Metadata.Annotations["kubescape.io/instance-id"], "/containerName-"); ok {
		return name
	}
	return o.Metadata.Name
}

// choose picks the containers that are meant.
func choose(objects []object, name string) ([]selected, error) {
	var all, out []selected
	for _, o := range objects {
		all = append(all, flatten(o)...)
	}
	if len(all) == 0 {
		return nil, errors.New("the input holds no container's evidence")
	}
	var names, others []string
	for _, s := range all {
		if s.role == roleApp || s.container.Name == name {
			names = append(names, s.container.Name)
		} else {
			others = append(others, s.container.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if name == "" && len(names) == 1 {
		name = names[0]
	} else if name == "" || !slices.Contains(names, name) {
		return nil, ambiguous(name, names, others)
	}
	for _, s := range all {
		if s.container.Name == name {
			out = append(out, s)
		}
	}
	return out, nil
}

func ambiguous(name string, names, others []string) error {
	slices.Sort(others)
	list := fmt.Sprintf("%q", append(names, slices.Compact(others)...))
	if name != "" {
		return fmt.Errorf("there is no evidence of a container %q, only of %s", name, list)
	}
	return fmt.Errorf("there is evidence of the containers %s: choose one with --container NAME", list)
}

// agree refuses evidence of different images, or of another one than the user
// says.
func agree(chosen []selected, parts []*profile.Profile, opts foreign.Options) error {
	image := opts.Image
	id := profile.Identity{ManifestDigest: image.Digest, DiffIDs: image.DiffIDs, Platform: image.Platform}
	if len(image.ConfigDigest) > 0 {
		id.ConfigDigest = image.ConfigDigest[0]
	}
	if len(image.IndexDigest) > 0 {
		id.IndexDigest = image.IndexDigest[0]
	}
	first := -1
	for i, p := range parts {
		if len(p.Images) == 0 || p.Images[0].Digest == "" && len(p.Images[0].ConfigDigest) == 0 {
			continue
		}
		own := p.Images[0]
		if image.Digest != "" {
			if !opts.Rebase && !profile.Fits(p, id).OK {
				return fmt.Errorf("%w: %s is about the image %s, not about %s", foreign.ErrImage, chosen[i].object.title(), nameOf(own), nameOf(image))
			}
			continue
		}
		if first < 0 {
			first = i
			continue
		}
		if other := parts[first].Images[0]; own.Digest != other.Digest || !slices.Equal(own.ConfigDigest, other.ConfigDigest) {
			return fmt.Errorf("%s is about the image %s, and %s about %s: import them apart",
				chosen[first].object.title(), nameOf(other), chosen[i].object.title(), nameOf(own))
		}
	}
	if image.Digest == "" && len(image.ConfigDigest) == 0 && len(image.Refs) == 0 {
		return nil
	}
	for _, p := range parts {
		refs := image.Refs
		for _, own := range p.Images {
			refs = append(slices.Clip(refs), own.Refs...)
		}
		about := image
		about.Refs = refs
		p.Images = []profile.Image{about}
	}
	return nil
}

func nameOf(i profile.Image) string {
	switch {
	case len(i.Refs) > 0:
		return fmt.Sprintf("%q", slices.Min(i.Refs))
	case i.Digest != "":
		return i.Digest
	case len(i.ConfigDigest) > 0:
		return i.ConfigDigest[0]
	}
	return "unknown"
}
