package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/sign"
)

type verifyOptions struct {
	key      string
	source   string
	run      bool
	profiles []string
	platform string
	flags    runFlags
}

func newVerify(env *environment, g *global) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use: "verify REF|DIR --key FILE [--source IMAGE] [--run [-- TEST...]]", Short: "Check a hardened image against its signature, attestation and plan",
		Long: `Check everything that can be checked about a hardened image: the signature and
the attestation with your public key, every blob's digest, the plan and the hint
against the attestation, every entry of every layer against the plan. With
--source also that what stays is what the original has.

A DIR needs no network, and no key is ever taken from it.

--run starts the image as lathe record does and runs the tests after --. It fails
when a test fails, the container dies, or something asks in vain to execute, open
or read a link that was dropped; it prints these paths, who asked, and the rules
that would keep them. What was only looked for is listed. With --run the key may
be left out: then only the plan is compared with the image.

  lathe verify out --key cosign.pub
  lathe verify registry.example.com/web:hardened --key cosign.pub --source registry.example.com/web:1.4
  lathe verify out --run --profile profile.json -- ./smoke-test.sh`,
		RunE: func(cmd *cobra.Command, a []string) error {
			name, line, err := o.split(a, cmd.ArgsLenAtDash())
			if err != nil {
				return err
			}
			h := hardenOptions{run: o.flags}
			p, err := h.runPlan(line, cmd.Flags().Changed("scenarios"))
			if err != nil {
				return err
			}
			if o.key != "" {
				if err := runVerify(cmd.Context(), env, g, o, name); err != nil || !o.run {
					return err
				}
			}
			return runProof(cmd.Context(), env, g, o, name, p)
		},
	}
	cmd.Flags().StringVar(&o.key, "key", "", "public key `file`")
	cmd.Flags().StringVar(&o.source, "source", "", "also compare with this original `IMAGE`")
	cmd.Flags().BoolVar(&o.run, "run", false, "run the image under the recorder with the tests after --")
	cmd.Flags().StringArrayVarP(&o.profiles, "profile", "p", nil, "with --run: the profile of the original, a `file`; its start scenarios are run, too; repeatable")
	cmd.Flags().StringVar(&o.platform, "platform", "", "with --run: which `platform` of an index to run (default: this machine's)")
	addRunFlags(cmd, &o.flags)
	addLimitFlags(cmd, &g.limits)
	return cmd
}

// evidence is a hardened image with all that belongs to it.
type evidence struct {
	image     *image.Source
	sigs      v1.Image
	atts      v1.Image
	plans     [][]byte // a registry can have several
	hints     [][]byte // likewise; none when they are not there
	plan      []byte   // the one that the attestation names
	hint      []byte   // likewise
	policy    []byte   // networkpolicy.yaml, nil when it is not there
	cilium    []byte   // networkpolicy.cilium.yaml, likewise
	predicate *sign.Predicate
	done      []string // checks that passed
}

func runVerify(ctx context.Context, env *environment, g *global, o verifyOptions, name string) error {
	raw, err := os.ReadFile(o.key)
	if err != nil {
		return usage("reading the public key: %w", err)
	}
	verifier, err := sign.LoadVerifier(raw)
	if err != nil {
		return usage("reading the public key %s: %w", o.key, err)
	}
	spool, err := os.MkdirTemp("", "lathe-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	defer os.RemoveAll(spool) //nolint:errcheck // nothing of worth
	e, err := gather(ctx, g, name)
	if err != nil {
		return err
	}
	defer e.image.Close() //nolint:errcheck // read only
	if err := e.checkSignatures(ctx, verifier); err != nil {
		return fmt.Errorf("verifying %s: %w", name, err)
	}
	if err := e.checkDocuments(); err != nil {
		return fmt.Errorf("verifying %s: %w", name, err)
	}
	if err := e.checkContents(ctx, g, spool, o.source); err != nil {
		return fmt.Errorf("verifying %s: %w", name, err)
	}
	return e.print(env, g, name)
}

// checkSignatures checks signature and attestation of the digest.
func (e *evidence) checkSignatures(ctx context.Context, v *sign.Verifier) error {
	if _, err := v.VerifySignatures(ctx, e.image.Digest, e.sigs); err != nil {
		return err
	}
	if e.atts == nil {
		return errors.New("there is no attestation")
	}
	list, err := v.VerifyAttestations(ctx, e.image.Digest, e.atts, sign.PredicateType)
	if err != nil {
		return err
	}
	for _, raw := range list {
		p, err := sign.ParsePredicate(raw)
		if err != nil {
			return fmt.Errorf("reading the attestation: %w", err)
		}
		if e.predicate == nil || e.plan == nil { // of several by this key the one whose plan is there counts
			e.predicate = p
			e.plan = named(e.plans, &p.Plan)
		}
	}
	e.done = append(e.done, "signature", "attestation")
	return nil
}

// named finds the document with a digest.
func named(list [][]byte, want *v1.Hash) []byte {
	for _, b := range list {
		if want != nil && hashOf(b) == *want {
			return b
		}
	}
	return nil
}

// checkDocuments compares plan, hint and policy with the attestation.
func (e *evidence) checkDocuments() error {
	p := e.predicate
	if len(e.plans) == 0 {
		return errors.New("the plan is not there; it was pushed with --no-referrers")
	}
	if e.plan == nil {
		return fmt.Errorf("the plan has the digest %s, the attestation says %s", hashOf(e.plans[0]), p.Plan)
	}
	e.done = append(e.done, "plan")
	for name, text := range map[string][]byte{policyFile: e.policy, ciliumFile: e.cilium} {
		if len(e.hints) == 0 && text != nil {
			return fmt.Errorf("%s is there without %s, which it is checked with", name, hintFile)
		}
	}
	if len(e.hints) == 0 {
		return nil
	}
	if e.hint = named(e.hints, p.Hint); e.hint == nil {
		return errors.New("the hint is not the one that the attestation names")
	}
	e.done = append(e.done, "hint")
	return e.checkPolicies()
}

// checkPolicies compares the policies with what the hint says.
func (e *evidence) checkPolicies() error {
	for _, file := range []struct {
		name, what string
		form       netpolicy.Form
		text       []byte
	}{{policyFile, "network policy", netpolicy.Core, e.policy}, {ciliumFile, "Cilium policy", netpolicy.Cilium, e.cilium}} {
		if file.text == nil {
			continue
		}
		hint, err := netpolicy.ParseHint(e.hint)
		if err != nil {
			return fmt.Errorf("reading the hint: %w", err)
		}
		want, err := netpolicy.Render(hint, file.form)
		if err != nil {
			return fmt.Errorf("rendering the network policy: %w", err)
		}
		if !bytes.Equal(want, file.text) {
			return fmt.Errorf("%s is not what the hint says", file.name)
		}
		e.done = append(e.done, file.what)
	}
	return nil
}

// checkContents compares every image with its plan, and with the source.
func (e *evidence) checkContents(ctx context.Context, g *global, spool, source string) error {
	doc, err := harden.ReadDocument(bytes.NewReader(e.plan))
	if err != nil {
		return err
	}
	if len(doc.Platforms) != len(e.image.Images) || len(e.image.Images) != len(e.predicate.Platforms) {
		return fmt.Errorf("the image has %d platforms, the plan %d, the attestation %d",
			len(e.image.Images), len(doc.Platforms), len(e.predicate.Platforms))
	}
	original, err := openSource(ctx, g, source)
	if err != nil {
		return err
	}
	if original != nil {
		defer original.Close() //nolint:errcheck // read only
		if original.Digest != e.predicate.Source {
			return fmt.Errorf("%s has the digest %s, the image was made from %s", source, original.Digest, e.predicate.Source)
		}
	}
	for i, img := range e.image.Images {
		section := doc.Platforms[i]
		if err := e.checkPredicate(section, img); err != nil {
			return err
		}
		if err := checkTree(ctx, g, spool, img.Image, section.Plan, harden.CheckOutput); err != nil {
			return fmt.Errorf("%s: %w", section.Platform, err)
		}
		if original == nil {
			continue
		}
		from, err := sourceImage(original, section.Plan)
		if err != nil {
			return err
		}
		if err := checkTree(ctx, g, spool, from, section.Plan, harden.CheckSource); err != nil {
			return fmt.Errorf("%s: %w", section.Platform, err)
		}
		if err := sameConfig(from, img.Image); err != nil {
			return fmt.Errorf("%s: %w", section.Platform, err)
		}
	}
	e.done = append(e.done, "blobs", "entries")
	if original != nil {
		e.done = append(e.done, "source")
	}
	return nil
}

func (e *evidence) checkPredicate(section harden.Section, img image.PlatformImage) error {
	i := slices.IndexFunc(e.predicate.Platforms, func(p sign.Platform) bool { return p.Platform == section.Platform })
	if i < 0 {
		return fmt.Errorf("the attestation has no platform %s", section.Platform)
	}
	p := e.predicate.Platforms[i]
	if p.Image != img.Descriptor.Digest || p.Source.String() != section.Plan.Source.ManifestDigest {
		return fmt.Errorf("%s: image, plan and attestation are not of one hardening", section.Platform)
	}
	return nil
}

func openSource(ctx context.Context, g *global, name string) (*image.Source, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // no source is asked for
	}
	ref, err := image.ParseRef(name)
	if err != nil {
		return nil, asUsage(err)
	}
	return image.Read(ctx, ref, g.sourceOptions())
}

func sourceImage(src *image.Source, pl *harden.Plan) (v1.Image, error) {
	for _, img := range src.Images {
		if img.Descriptor.Digest.String() == pl.Source.ManifestDigest {
			return img.Image, nil
		}
	}
	return nil, fmt.Errorf("the source has no image %s", pl.Source.ManifestDigest)
}

type checkFunc func(context.Context, *layers.Tree, *harden.Plan) ([]string, error)

func checkTree(ctx context.Context, g *global, spool string, img v1.Image, pl *harden.Plan, check checkFunc) error {
	tree, err := layers.Open(ctx, img, spool, layers.WithLimits(g.limits.limits()))
	if err != nil {
		return err
	}
	defer tree.Close() //nolint:errcheck // unlinked temporary files
	problems, err := check(ctx, tree, pl)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

func (e *evidence) print(env *environment, g *global, name string) error {
	if g.format == "json" {
		return env.printJSON(map[string]any{
			"image": name, "digest": e.image.Digest.String(), "verified": e.done, "predicate": e.predicate,
		})
	}
	_, err := fmt.Fprintf(env.stdout, "%s\n  digest    %s\n  verified  %s\n  level     %s\n  source    %s\n",
		name, e.image.Digest, strings.Join(e.done, ", "), e.predicate.Level, e.predicate.Source)
	if err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}
