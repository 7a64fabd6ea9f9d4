package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/image"
)

// gather reads a directory that harden wrote, or a registry.
func gather(ctx context.Context, g *global, name string) (*evidence, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return gatherDir(ctx, g, name)
	}
	ref, err := image.ParseRef(name)
	if err != nil {
		return nil, asUsage(err)
	}
	if ref.Kind != image.Registry {
		return nil, usage("%s: verify takes a directory that harden wrote, or a registry reference", name)
	}
	e := &evidence{}
	if e.image, err = image.Read(ctx, ref, g.imageOptions()); err != nil {
		return nil, err
	}
	if e.sigs, e.atts, err = existing(ctx, g, ref, e.image.Digest); err != nil {
		return nil, errors.Join(err, e.image.Close())
	}
	if e.sigs == nil {
		return nil, errors.Join(fmt.Errorf("%s has no signature", name), e.image.Close())
	}
	if err := e.readReferrers(ctx, g, ref.WithDigest(e.image.Digest)); err != nil {
		return nil, errors.Join(err, e.image.Close())
	}
	return e, nil
}

// readReferrers reads the plans and hints that refer to the image.
func (e *evidence) readReferrers(ctx context.Context, g *global, ref image.Ref) error {
	plans, err := image.ListReferrers(ctx, ref, planArtifact, g.imageOptions())
	if err != nil {
		return err
	}
	for _, packed := range plans {
		plan, err := decompress(packed)
		if err != nil {
			return fmt.Errorf("reading a plan of %s: %w", ref, err)
		}
		e.plans = append(e.plans, plan)
	}
	e.hints, err = image.ListReferrers(ctx, ref, hintArtifact, g.imageOptions())
	return err
}

func decompress(b []byte) ([]byte, error) {
	z, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return nil, fmt.Errorf("reading zstd: %w", err)
	}
	defer z.Close()
	out, err := io.ReadAll(io.LimitReader(z, harden.MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("reading zstd: %w", err)
	}
	return out, nil
}

func gatherDir(ctx context.Context, g *global, dir string) (*evidence, error) {
	e := &evidence{}
	imagePath := filepath.Join(dir, imageDir)
	layout, err := image.ReadLayout(ctx, imagePath, image.Limits{})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, entry := range layout.Entries {
		kind := entry.Descriptor.Annotations[image.AnnotationKind]
		switch kind {
		case image.KindSignatures:
			e.sigs = entry.Image
		case image.KindAttestations:
			e.atts = entry.Image
		case image.KindImage, image.KindIndex:
			kind = image.KindImage
		default:
			kind = ""
		}
		if kind == "" || seen[kind] {
			extra := fmt.Errorf("%s holds %s besides the image, its signature and its attestation", imagePath, entry.Descriptor.Digest)
			return nil, errors.Join(extra, layout.Close())
		}
		seen[kind] = true
	}
	if e.sigs == nil || e.atts == nil {
		return nil, errors.Join(fmt.Errorf("%s is not signed", imagePath), layout.Close())
	}
	if err := e.readFiles(dir); err != nil {
		return nil, errors.Join(err, layout.Close())
	}
	if e.image, err = image.Read(ctx, image.Ref{Kind: image.OCI, Path: imagePath}, g.imageOptions()); err != nil {
		return nil, errors.Join(err, layout.Close())
	}
	return e, nil
}

// readFiles reads what lies beside the image.
func (e *evidence) readFiles(dir string) error {
	for _, file := range []string{planFile, hintFile, policyFile, ciliumFile} {
		raw, err := readBounded(filepath.Join(dir, file))
		if errors.Is(err, fs.ErrNotExist) && file != planFile {
			continue
		}
		if err != nil {
			return err
		}
		switch file {
		case planFile:
			e.plans = [][]byte{raw}
		case hintFile:
			e.hints = [][]byte{raw}
		case ciliumFile:
			e.cilium = raw
		default:
			e.policy = raw
		}
	}
	return nil
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	defer f.Close() //nolint:errcheck // read only
	raw, err := io.ReadAll(io.LimitReader(f, harden.MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(raw) > harden.MaxDocument {
		return nil, fmt.Errorf("reading %s: it is over %d bytes", name, harden.MaxDocument)
	}
	return raw, nil
}
