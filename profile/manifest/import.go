package manifest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
)

// Format is the row of this package in the table of formats.
func Format() foreign.Format {
	return foreign.Format{
		Name:   "manifest",
		About:  "Kubernetes workloads: what they declare to run",
		Detect: detect,
		Import: importObjects,
	}
}

func detect(head []byte) bool {
	return foreign.AnyShape(head, func(s foreign.Shape) bool {
		switch s.APIVersion {
		case "v1", "apps/v1", "batch/v1", "batch/v1beta1":
			return isWorkload(s.Kind) || s.Has("items") && hasItem(head)
		}
		return false
	})
}

// hasItem looks for a workload in a list that is cut off, in kubectl's layout.
func hasItem(head []byte) bool {
	for line := range bytes.Lines(head) {
		if kind, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("  kind: ")); ok && isWorkload(string(kind)) {
			return true
		}
	}
	return false
}

// defaultPath is PATH where the image does not set it.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func importObjects(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, error) {
	p, _, err := Read(ctx, inputs, opts)
	return p, err
}

// Read makes an unbound profile of what manifests declare about one container,
// with one source for each workload, and says what they tell of its pods. It
// fails for workloads that cannot be read and where it is not clear which
// container is meant; objects that are no workloads are passed over.
func Read(ctx context.Context, inputs []*foreign.Input, opts foreign.Options) (*profile.Profile, Pod, error) {
	records := foreign.NewLog("manifest", inputs, opts)
	var all []workload
	err := records.Objects(ctx, func(from foreign.Object) error {
		w, err := decode(from)
		switch {
		case errors.Is(err, errKind):
			return nil // a manifest holds Services and the like, too
		case err != nil:
			return foreign.Fatal(err)
		case opts.Namespace == "" || opts.Namespace == w.metadata.Namespace:
			all = append(all, w)
		}
		return nil
	})
	if err != nil {
		return nil, Pod{}, err
	}
	if len(all) == 0 {
		return nil, Pod{}, errors.New("importing the manifest: it holds no workload")
	}
	found, err := choose(all, opts.Container, opts.Image)
	if err != nil {
		return nil, Pod{}, fmt.Errorf("importing the manifest: %w", err)
	}
	var parts []*profile.Profile
	for _, c := range found {
		parts = append(parts, declare(c, records.Source(), opts))
	}
	p, err := profile.Merge(parts...)
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return nil, Pod{}, fmt.Errorf("importing the manifest: %w", err)
	}
	return p, podOf(found), nil
}

// source describes where the evidence of a container comes from.
func (d *declarer) source() profile.Source {
	w := d.from.of
	s := profile.Source{
		Kind:     profile.KindDeclared,
		Recorder: profile.Recorder{Name: "kubernetes", Method: "config"},
		Input:    d.about.Input,
		Subject: profile.Subject{
			Image: d.opts.Image.Digest, Container: d.from.container.Name,
			Workload: profile.Workload{
				Namespace: w.metadata.Namespace, Kind: w.kind, Name: w.metadata.Name, Labels: maps.Clone(w.labels),
			},
		},
		Notes: append(d.notes, d.about.Notes...),
	}
	s.ID = profile.SourceID(s)
	return s
}
