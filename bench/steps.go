package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// Input is a generated image that is open.
type Input struct {
	Image   v1.Image
	Profile *profile.Profile
	ID      profile.Identity
	source  *image.Source
}

// OpenInput opens what [Generate] made in dir.
func OpenInput(ctx context.Context, dir string) (*Input, error) {
	src, err := image.Read(ctx, image.Ref{Kind: image.OCI, Path: filepath.Join(dir, LayoutDir)}, image.Options{})
	if err != nil {
		return nil, fmt.Errorf("opening the generated image: %w", err)
	}
	in := &Input{source: src, Image: src.Images[0].Image, ID: profile.Identity{ManifestDigest: src.Digest.String(), Platform: "linux/amd64"}}
	f, err := os.Open(filepath.Join(dir, ProfileFile))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the generated profile: %w", err), src.Close())
	}
	defer f.Close() //nolint:errcheck // read only
	if in.Profile, err = profile.Read(f, profile.Limits{}); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the generated profile: %w", err), src.Close())
	}
	return in, nil
}

// Close frees the image's files.
func (in *Input) Close() error { return in.source.Close() }

// Floor inflates every layer once and checks its diff ID: what everybody who
// looks into an image has to do at least.
func Floor(img v1.Image) error {
	list, err := img.Layers()
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	for i, l := range list {
		if err := inflate(l); err != nil {
			return fmt.Errorf("floor: layer %d: %w", i, err)
		}
	}
	return nil
}

func inflate(l v1.Layer) error {
	want, err := l.DiffID()
	if err != nil {
		return err
	}
	rc, err := l.Compressed()
	if err != nil {
		return err
	}
	defer rc.Close() //nolint:errcheck // read only
	z, err := gzip.NewReader(rc)
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, z); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want.Hex {
		return fmt.Errorf("the archive has the digest %s, not %s", got, want.Hex)
	}
	return nil
}

// Tree reads the layers.
func Tree(ctx context.Context, in *Input, spool string) (*layers.Tree, error) {
	t, err := layers.Open(ctx, in.Image, spool)
	if err != nil {
		return nil, fmt.Errorf("reading the layers: %w", err)
	}
	return t, nil
}

// Plan decides what stays at a level.
func Plan(ctx context.Context, in *Input, t *layers.Tree, level harden.Level) (*harden.Plan, error) {
	pl, err := harden.NewPlan(ctx, t, in.ID, in.Profile, harden.Policy{Level: level})
	if err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	return pl, nil
}

// Rewrite writes the layers that a plan leaves to the spool.
func Rewrite(ctx context.Context, t *layers.Tree, pl *harden.Plan) (*layers.Result, error) {
	res, err := harden.Apply(ctx, t, pl)
	if err != nil {
		return nil, fmt.Errorf("rewriting: %w", err)
	}
	return res, nil
}
