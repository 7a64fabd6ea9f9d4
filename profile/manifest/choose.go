package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lathe-build/lathe/profile"
)

// chosen is one container of one workload.
type chosen struct {
	of        workload
	container container
}

// choose picks the containers that are meant: by name, or else by image, or else
// the only ordinary one.
func choose(all []workload, name string, image profile.Image) ([]chosen, error) {
	var apps, others []chosen
	for _, w := range all {
		for _, c := range w.pod.Containers {
			apps = append(apps, chosen{w, c})
		}
		for _, c := range slices.Concat(w.pod.InitContainers, w.pod.EphemeralContainers) {
			others = append(others, chosen{w, c})
		}
	}
	every := slices.Concat(apps, others)
	if name != "" {
		return named(every, name)
	}
	for _, same := range []func(string, profile.Image) bool{sameImage, sameRepository} {
		var found []chosen
		for _, c := range every {
			if same(c.container.Image, image) {
				found = append(found, c)
			}
		}
		if len(found) > 0 {
			return oneName(found)
		}
	}
	if len(apps) == 0 {
		return nil, fmt.Errorf("it has only init containers: choose one with --container NAME of %s", list(others))
	}
	return oneName(apps)
}

func named(every []chosen, name string) ([]chosen, error) {
	var found []chosen
	for _, c := range every {
		if c.container.Name == name {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("it has no container %q, only %s", name, list(every))
	}
	return found, nil
}

// oneName takes containers that are the same one by their name.
func oneName(found []chosen) ([]chosen, error) {
	for _, c := range found {
		if c.container.Name != found[0].container.Name {
			return nil, errors.New("it has the containers " + list(found) + ": choose one with --container NAME")
		}
	}
	return found, nil
}

func list(all []chosen) string {
	var names []string
	for _, c := range all {
		names = append(names, fmt.Sprintf("%q (%q)", c.container.Name, c.container.Image))
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// sameImage reports whether a reference is one of the image's: the same digest,
// or the same name and tag.
func sameImage(ref string, image profile.Image) bool {
	name, digest, hasDigest := strings.Cut(ref, "@")
	if hasDigest && digest != "" {
		return digest == image.Digest || slices.Contains(image.IndexDigest, digest)
	}
	for _, known := range image.Refs {
		known, _, _ = strings.Cut(known, "@")
		if name != "" && full(name) == full(known) {
			return true
		}
	}
	return false
}

// sameRepository is sameImage without tags.
func sameRepository(ref string, image profile.Image) bool {
	name, _, _ := strings.Cut(ref, "@")
	for _, known := range image.Refs {
		known, _, _ = strings.Cut(known, "@")
		if name != "" && repository(full(name)) == repository(full(known)) {
			return true
		}
	}
	return false
}

// full is a reference with the registry, folder and tag that docker takes for
// granted.
func full(ref string) string {
	first, _, ok := strings.Cut(ref, "/")
	switch {
	case !ok:
		ref = "docker.io/library/" + ref
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		ref = "docker.io/" + ref
	}
	if repository(ref) == ref {
		ref += ":latest"
	}
	return ref
}

// repository is a reference without its tag.
func repository(ref string) string {
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[:i]
	}
	return ref
}
