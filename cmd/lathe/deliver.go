package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/report"
	"github.com/lathe-build/lathe/sign"
)

// The files of an output directory.
const (
	imageDir   = "image"
	planFile   = "plan.json"
	hintFile   = "hint.json"
	policyFile = "networkpolicy.yaml"
	ciliumFile = "networkpolicy.cilium.yaml"
	reportMD   = "report.md"
	reportJSON = "report.json"
)

// The artifact types of what travels beside an image.
const (
	planArtifact = "application/vnd.lathe.plan.v1alpha1+json"
	hintArtifact = "application/vnd.lathe.hint.v1+json"
	planMedia    = "application/vnd.lathe.plan.v1alpha1+json+zstd"
	hintMedia    = "application/vnd.lathe.hint.v1+json"
)

// signedEntry is a digest with the images that sign and attest it.
type signedEntry struct {
	digest            v1.Hash
	signatures, attns v1.Image
}

// sign signs and attests the result: an index and each of its images. What is
// in the registry already is kept, as far as it is still true.
func (r *hardening) sign(ctx context.Context, g *global, o hardenOptions, j *hardenJob, signer *sign.Signer) error {
	if signer == nil {
		return nil
	}
	digests := []v1.Hash{r.digest}
	if r.top.Index != nil {
		for _, t := range r.targets {
			digests = append(digests, t.digest)
		}
	}
	var tlog *sign.Log
	if o.tlogUpload {
		tlog = &sign.Log{URL: o.rekorURL}
	}
	for _, d := range digests {
		e := signedEntry{digest: d}
		subject := sign.Subject{Digest: d}
		if j.push != nil {
			subject.Reference = j.push.Name
			var err error
			if e.signatures, e.attns, err = existing(ctx, g, *j.push, d); err != nil {
				return err
			}
		}
		var err error
		if e.signatures, _, err = signer.EnsureSignature(ctx, subject, e.signatures, tlog); err != nil {
			return fmt.Errorf("signing %s: %w", d, err)
		}
		if e.attns, _, err = signer.EnsureAttestation(ctx, subject, sign.PredicateType, r.predicate, e.attns, tlog); err != nil {
			return fmt.Errorf("attesting %s: %w", d, err)
		}
		if err := checkSigned(ctx, signer.Verifier(), e); err != nil {
			return err
		}
		r.signed = append(r.signed, e)
	}
	return nil
}

// existing reads the signatures and attestations that a registry has of a digest.
func existing(ctx context.Context, g *global, ref image.Ref, d v1.Hash) (sigs, atts v1.Image, err error) {
	for tag, dst := range map[string]*v1.Image{sign.SignatureTag(d): &sigs, sign.AttestationTag(d): &atts} {
		img, found, err := image.ReadByTag(ctx, ref, tag, g.imageOptions())
		if err != nil {
			return nil, nil, fmt.Errorf("looking for earlier signatures: %w", err)
		}
		if found {
			*dst = img
		}
	}
	return sigs, atts, nil
}

func checkSigned(ctx context.Context, v *sign.Verifier, e signedEntry) error {
	if _, err := v.VerifySignatures(ctx, e.digest, e.signatures); err != nil {
		return fmt.Errorf("checking the new signature: %w", err)
	}
	if _, err := v.VerifyAttestations(ctx, e.digest, e.attns, sign.PredicateType); err != nil {
		return fmt.Errorf("checking the new attestation: %w", err)
	}
	return nil
}

// layoutEntries are the manifests of an output layout, as cosign save writes them.
func (r *hardening) layoutEntries(tag string) []image.Entry {
	kind := sign.KindImage
	if r.top.Index != nil {
		kind = sign.KindIndex
	}
	top := r.top
	top.Annotations = sign.LayoutAnnotations(kind)
	top.Annotations[image.AnnotationRefName] = tag
	list := []image.Entry{top}
	if len(r.signed) > 0 {
		list = append(list,
			image.Entry{Image: r.signed[0].signatures, Annotations: sign.LayoutAnnotations(sign.KindSignatures)},
			image.Entry{Image: r.signed[0].attns, Annotations: sign.LayoutAnnotations(sign.KindAttestations)})
	}
	return list
}

// deliver writes everything: outputs are built beside their final names and
// moved there together, and the registry's tag moves last. Should that fail, the
// outputs are moved back.
func (r *hardening) deliver(ctx context.Context, g *global, o hardenOptions, j *hardenJob, out *outputs) error {
	r.forget()
	checked := false
	if j.withImage {
		dir := filepath.Join(out.dir.Path(), imageDir)
		if err := image.WriteLayout(ctx, dir, r.layoutEntries(r.tagOf())); err != nil {
			return err
		}
		if err := r.readBack(ctx, g, image.Ref{Kind: image.OCI, Path: dir, Digest: r.digest}); err != nil {
			return err
		}
		checked = true
	}
	var pusher *image.Pusher
	var pushed v1.Descriptor
	if j.push != nil {
		var err error
		if pusher, pushed, err = r.push(ctx, g, o, j); err != nil {
			return err
		}
		if !checked {
			if err := r.readBack(ctx, g, j.push.WithDigest(r.digest)); err != nil {
				return untagged(j, r.digest, err)
			}
			checked = true
		}
	}
	if !checked {
		if err := r.checkImages(ctx, g, func(t *target) (v1.Image, error) { return t.result.Image, nil }); err != nil {
			return err
		}
	}
	if err := r.makeReport(o, j); err != nil {
		return err
	}
	if err := r.writePlaces(ctx, out); err != nil {
		return untagged(j, r.digest, err)
	}
	if out.dir != nil {
		if err := r.writeFiles(out.dir.Path()); err != nil {
			return untagged(j, r.digest, err)
		}
	}
	err := image.CommitAll(out.stagings(), func() error {
		if err := r.loadDaemons(ctx, g, j); err != nil || pusher == nil {
			return err
		}
		return r.tag(ctx, g, o, j, pusher, pushed)
	})
	if err != nil {
		return untagged(j, r.digest, err)
	}
	return nil
}

// forget lets go of the sources' entries: the result is read back next, and one
// tree is enough memory.
func (r *hardening) forget() {
	for _, t := range r.targets {
		t.tree.Forget()
	}
}

// untagged says which digest stays behind in a registry, if any.
func untagged(j *hardenJob, d v1.Hash, err error) error {
	if j.push == nil {
		return err
	}
	return fmt.Errorf("%w (%s@%s was pushed and has no tag)", err, j.push.Name, d)
}

// writeFiles writes what lies beside the image.
func (r *hardening) writeFiles(dir string) error {
	var md bytes.Buffer
	if err := r.report.Markdown(&md); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	js, err := r.report.JSON()
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	plan, err := os.OpenFile(filepath.Join(dir, planFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	if err := errors.Join(r.copyPlan(plan), plan.Close()); err != nil {
		return err
	}
	files := []struct {
		name string
		data []byte
		mode fs.FileMode
	}{
		{hintFile, r.hintJSON, 0o600},
		{policyFile, r.hintYAML, 0o644},
		{ciliumFile, r.hintCilium, 0o644},
		{reportMD, md.Bytes(), 0o644},
		{reportJSON, js, 0o644},
	}
	for _, f := range files {
		if f.data == nil {
			continue
		}
		if err := image.WriteFile(filepath.Join(dir, f.name), f.data, f.mode); err != nil {
			return err
		}
	}
	return nil
}

// readBack reads the result from where it was written and checks it.
func (r *hardening) readBack(ctx context.Context, g *global, ref image.Ref) error {
	src, err := image.Read(ctx, ref, g.imageOptions())
	if err != nil {
		return fmt.Errorf("reading the result back: %w", err)
	}
	defer src.Close() //nolint:errcheck // read only
	if src.Digest != r.digest {
		return fmt.Errorf("reading the result back: it has the digest %s, not %s", src.Digest, r.digest)
	}
	return r.checkImages(ctx, g, func(t *target) (v1.Image, error) {
		for _, img := range src.Images {
			if img.Descriptor.Digest == t.digest {
				return img.Image, nil
			}
		}
		return nil, fmt.Errorf("reading the result back: no image %s", t.digest)
	})
}

// checkImages compares each image of the result with its plan.
func (r *hardening) checkImages(ctx context.Context, g *global, get func(*target) (v1.Image, error)) error {
	for _, t := range r.targets {
		img, err := get(t)
		if err != nil {
			return err
		}
		tree, err := layers.Open(ctx, img, r.spool, layers.WithLimits(g.limits.limits()))
		if err != nil {
			return fmt.Errorf("reading the result back (%s): %w", t.name, err)
		}
		problems, err := harden.CheckOutput(ctx, tree, t.plan)
		t.after = measure(t.digest, tree, nil)
		_ = tree.Close() // unlinked temporary files
		if err != nil {
			return fmt.Errorf("checking the result (%s): %w", t.name, err)
		}
		if len(problems) > 0 {
			return fmt.Errorf("the result does not match its plan (%s): %s", t.name, strings.Join(problems, "; "))
		}
	}
	return nil
}

// measure counts an image for the report.
func measure(d v1.Hash, tree *layers.Tree, pl *harden.Plan) report.Image {
	out := report.Image{Digest: d.String(), Layers: tree.Layers(), Contents: report.Measure(tree, pl)}
	for i := range tree.Layers() {
		out.Download += tree.Layer(i).Size
	}
	return out
}

// push writes everything but the tag, in the order in which nothing is ever
// there without what it needs: content, referrers, signatures, attestations.
func (r *hardening) push(ctx context.Context, g *global, o hardenOptions, j *hardenJob) (*image.Pusher, v1.Descriptor, error) {
	opts := g.imageOptions()
	if j.source.Kind == image.Registry {
		opts.MountFrom = j.source
	}
	p, err := image.NewPusher(ctx, *j.push, opts)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	desc, err := p.PushContent(ctx, r.top)
	if err != nil {
		return nil, desc, err
	}
	if err := r.pushReferrers(ctx, p, o, desc); err != nil {
		return nil, desc, untagged(j, r.digest, err)
	}
	for _, e := range r.signed {
		if _, err := p.PushTag(ctx, sign.SignatureTag(e.digest), image.Entry{Image: e.signatures}); err != nil {
			return nil, desc, untagged(j, r.digest, err)
		}
	}
	for _, e := range r.signed {
		if _, err := p.PushTag(ctx, sign.AttestationTag(e.digest), image.Entry{Image: e.attns}); err != nil {
			return nil, desc, untagged(j, r.digest, err)
		}
	}
	return p, desc, nil
}

func (r *hardening) pushReferrers(ctx context.Context, p *image.Pusher, o hardenOptions, desc v1.Descriptor) error {
	if o.noReferrers {
		return nil
	}
	var plan bytes.Buffer
	enc, err := zstd.NewWriter(&plan, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("compressing the plan: %w", err)
	}
	if err := errors.Join(r.copyPlan(enc), enc.Close()); err != nil {
		return fmt.Errorf("compressing the plan: %w", err)
	}
	list := []image.Referrer{{ArtifactType: planArtifact, MediaType: planMedia, Data: plan.Bytes()}}
	if o.attachHint {
		list = append(list, image.Referrer{ArtifactType: hintArtifact, MediaType: hintMedia, Data: r.hintJSON})
	}
	for _, ref := range list {
		_, err := p.PushReferrer(ctx, desc, ref)
		if errors.Is(err, image.ErrArtifactRefused) {
			return fmt.Errorf("%w; --no-referrers pushes without the plan", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
