package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/image"
)

// outputs are the places on disk that a run writes to, each built beside its
// final name.
type outputs struct {
	dir    *image.Staging // of -o, or of what lies beside a pushed image; may be nil
	places []place
}

// place is one output of --to on disk.
type place struct {
	ref     image.Ref
	staging *image.Staging
}

// stageOutputs makes room for all outputs, so that one that cannot be written is
// found before the work.
func stageOutputs(o hardenOptions, j *hardenJob) (_ *outputs, err error) {
	out := &outputs{}
	defer func() {
		if err != nil {
			out.abort()
		}
	}()
	if j.output != "" {
		if out.dir, err = image.Stage(j.output, o.force || !j.withImage); err != nil {
			return nil, err
		}
	}
	for _, ref := range j.to {
		var s *image.Staging
		switch ref.Kind {
		case image.OCI:
			s, err = image.Stage(ref.Path, o.force)
		case image.DockerArchive:
			s, err = image.StageFile(ref.Path, o.force)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		out.places = append(out.places, place{ref, s})
	}
	return out, nil
}

func (o *outputs) stagings() []*image.Staging {
	var list []*image.Staging
	if o.dir != nil {
		list = append(list, o.dir)
	}
	for _, p := range o.places {
		list = append(list, p.staging)
	}
	return list
}

// abort removes what was built and is not in its place. What cannot be removed,
// the next run removes.
func (o *outputs) abort() {
	for _, s := range o.stagings() {
		_ = s.Abort()
	}
}

// fitsPlaces refuses several platforms for a place that takes one.
func (r *hardening) fitsPlaces(j *hardenJob) error {
	for _, ref := range j.to {
		if len(r.targets) > 1 && ref.Kind != image.OCI {
			return usage("%s takes one platform: choose it with --platform", ref)
		}
	}
	return nil
}

// writePlaces builds the outputs of --to on disk.
func (r *hardening) writePlaces(ctx context.Context, out *outputs) error {
	for _, p := range out.places {
		tag := p.ref.Tag
		if tag == "" {
			tag = r.tagOf()
		}
		var err error
		if p.ref.Kind == image.OCI {
			err = image.WriteLayout(ctx, p.staging.Path(), r.layoutEntries(tag))
		} else {
			name := p.ref.Tag
			if name == "" {
				name = archiveName(p.ref.Path, tag)
			}
			err = image.WriteDockerArchive(ctx, p.staging.Path(), name, r.targets[0].result.Image)
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", p.ref, err)
		}
	}
	return nil
}

// loadDaemons gives the image to docker daemons. What a daemon has taken cannot
// be taken back.
func (r *hardening) loadDaemons(ctx context.Context, g *global, j *hardenJob) error {
	for _, ref := range j.to {
		if ref.Kind != image.DockerDaemon {
			continue
		}
		if err := image.WriteDaemon(ctx, ref.Name, r.targets[0].result.Image, g.imageOptions()); err != nil {
			return err
		}
	}
	return nil
}

var errTagMoved = errors.New("somebody else moved the tag while this ran")

// tagNow is what the tag of --push names now, or nothing.
func tagNow(ctx context.Context, g *global, j *hardenJob) (v1.Hash, error) {
	d, _, err := image.Resolve(ctx, *j.push, g.imageOptions())
	return d.Digest, err
}

// tag moves the tag to the result, unless somebody else has moved it since the
// run began: what they pushed would be lost. A registry has no way to compare
// and set, so a moment remains.
func (r *hardening) tag(ctx context.Context, g *global, o hardenOptions, j *hardenJob, p *image.Pusher, d v1.Descriptor) error {
	now, err := tagNow(ctx, g, j)
	if err != nil {
		return err
	}
	if now != j.tagged && now != d.Digest && !o.force {
		return fmt.Errorf("tagging %s: %w: from %s to %s", j.push, errTagMoved, orNothing(j.tagged), orNothing(now))
	}
	return p.Tag(ctx, j.push.Tag, d)
}

func orNothing(h v1.Hash) string {
	if h == (v1.Hash{}) {
		return "nothing"
	}
	return h.String()
}

// archiveName names the image of an archive after the file, where that makes a
// name; an archive need not name its image.
func archiveName(file, tag string) string {
	base := strings.ToLower(strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)))
	if len(base) < 2 || strings.Trim(base, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return ""
	}
	return base + ":" + tag
}
