package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
)

// split tells the image from the tests of --run.
func (o *verifyOptions) split(a []string, dash int) (string, []string, error) {
	before, line := a, []string(nil)
	if dash >= 0 {
		before, line = a[:dash], a[dash:]
	}
	switch {
	case len(before) != 1:
		return "", nil, usage("accepts 1 arg(s), received %d; see lathe verify --help", len(before))
	case !o.run && (len(line) > 0 || len(o.flags.tests) > 0):
		return "", nil, usage("tests are for --run")
	case !o.run && len(o.profiles) > 0:
		return "", nil, usage("--profile is for --run")
	case o.key == "" && !o.run:
		return "", nil, usage("no key: give the public key with --key FILE")
	case o.key == "" && o.source != "":
		return "", nil, usage("--source needs --key")
	}
	return before[0], line, nil
}

// runProof runs a hardened image with the tests and says what it misses.
func runProof(ctx context.Context, env *environment, g *global, o verifyOptions, name string, p *runPlan) error {
	if err := canRun(ctx, o.flags.runtime); err != nil {
		return err
	}
	if err := p.join(ctx); err != nil {
		return err
	}
	var original *profile.Profile
	if len(o.profiles) > 0 {
		var err error
		if original, _, err = readProfiles(ctx, env, o.profiles); err != nil {
			return err
		}
		p.passed(original)
	}
	e, err := gatherPlan(ctx, g, name)
	if err != nil {
		return err
	}
	defer e.image.Close() //nolint:errcheck // read only
	img, pl, err := e.native(o.platform)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	tree, err := layers.Open(ctx, img.Image, "", layers.WithLimits(g.limits.limits()))
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	defer tree.Close() //nolint:errcheck // unlinked temporary files
	problems, err := harden.CheckOutput(ctx, tree, pl)
	if err == nil && len(problems) > 0 {
		err = errors.New(strings.Join(problems, "; "))
	}
	if err != nil {
		return fmt.Errorf("%s is not what its plan says: %w", name, err)
	}
	about := profile.Image{Digest: img.Descriptor.Digest.String(), Platform: platformName(img.Platform)}
	result, err := prove(ctx, env, p, tree, about, pl, original)
	if err != nil {
		return fmt.Errorf("running %s: %w", name, err)
	}
	if err := result.print(env, g, name); err != nil {
		return err
	}
	if err := result.err(); err != nil {
		return fmt.Errorf("%s does not pass: %w", name, err)
	}
	return nil
}

func (p *proof) print(env *environment, g *global, name string) error {
	failed := p.err()
	if g.format == "json" {
		enc := json.NewEncoder(env.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"image": name, "passed": failed == nil, "run": p})
	}
	word := "passes"
	if failed != nil {
		word = "does not pass"
	}
	if _, err := fmt.Fprintf(env.stdout, "%s %s: %s\n", name, word, strings.Join(p.Scenarios, ", ")); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return p.say(env.stdout)
}

// gatherPlan reads a hardened image and its plans, signed or not.
func gatherPlan(ctx context.Context, g *global, name string) (*evidence, error) {
	e := &evidence{}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		if err := e.readFiles(name); err != nil {
			return nil, err
		}
		e.image, err = image.Read(ctx, image.Ref{Kind: image.OCI, Path: filepath.Join(name, imageDir)}, g.imageOptions())
		return e, err
	}
	ref, err := image.ParseRef(name)
	if err != nil {
		return nil, asUsage(err)
	}
	if ref.Kind != image.Registry {
		return nil, usage("%s: verify takes a directory that harden wrote, or a registry reference", name)
	}
	if e.image, err = image.Read(ctx, ref, g.imageOptions()); err != nil {
		return nil, err
	}
	if err := e.readReferrers(ctx, g, ref.WithDigest(e.image.Digest)); err != nil {
		return nil, errors.Join(err, e.image.Close())
	}
	return e, nil
}

// native picks the image that this machine runs, with its plan.
func (e *evidence) native(platform string) (image.PlatformImage, *harden.Plan, error) {
	img, err := native(e.image, platform)
	if err != nil {
		return image.PlatformImage{}, nil, err
	}
	for _, raw := range e.plans {
		doc, err := harden.ReadDocument(bytes.NewReader(raw))
		if err != nil {
			return image.PlatformImage{}, nil, err
		}
		for _, section := range doc.Platforms {
			if section.Platform == platformName(img.Platform) {
				return img, section.Plan, nil
			}
		}
	}
	return image.PlatformImage{}, nil, fmt.Errorf("there is no plan for %s: it was pushed with --no-referrers, or is not hardened", platformName(img.Platform))
}
