package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/netpolicy"
	"github.com/lathe-build/lathe/sign"
)

type netpolFetchOptions struct {
	key    string
	output string
	force  bool
}

func newNetpolFetch(env *environment, g *global) *cobra.Command {
	var o netpolFetchOptions
	cmd := &cobra.Command{
		Use: "fetch REF --key FILE [-o FILE]", Short: "Get the hint that was attached to a hardened image",
		Long: `Get the hint that "harden --push --attach-hint" attached to an image, after
checking signature and attestation of the image with your public key: the hint
is the one whose digest the attestation names, and no other.

  lathe netpol fetch registry.example.com/web:hardened --key cosign.pub -o hint.json
  lathe netpol render hint.json | kubectl apply -f -`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if o.key == "" {
				return usage("no key: give the public key with --key FILE")
			}
			return runNetpolFetch(cmd.Context(), env, g, o, a[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "public key `file`")
	f.StringVarP(&o.output, "output", "o", "", "write to this `file` (default: standard output)")
	f.BoolVar(&o.force, "force", false, "replace an existing file")
	return cmd
}

func runNetpolFetch(ctx context.Context, env *environment, g *global, o netpolFetchOptions, name string) error {
	ref, err := image.ParseRef(name)
	if err != nil {
		return asUsage(err)
	}
	if ref.Kind != image.Registry {
		return usage("%s: fetch takes a registry reference; a directory has its hint.json", name)
	}
	raw, err := os.ReadFile(o.key)
	if err != nil {
		return usage("reading the public key: %w", err)
	}
	verifier, err := sign.LoadVerifier(raw)
	if err != nil {
		return usage("reading the public key %s: %w", o.key, err)
	}
	e, err := gather(ctx, g, name)
	if err != nil {
		return err
	}
	defer e.image.Close() //nolint:errcheck // read only
	hint, err := e.attachedHint(ctx, verifier)
	if err != nil {
		return fmt.Errorf("verifying %s: %w", name, err)
	}
	return writeResult(env, o.output, hint, true, o.force)
}

// attachedHint is the hint that the attestation names.
func (e *evidence) attachedHint(ctx context.Context, v *sign.Verifier) ([]byte, error) {
	if err := e.checkSignatures(ctx, v); err != nil {
		return nil, err
	}
	if e.predicate.Hint == nil {
		return nil, errors.New("the attestation names no hint")
	}
	hint := named(e.hints, e.predicate.Hint)
	switch {
	case hint == nil && len(e.hints) == 0:
		return nil, errors.New("no hint is attached; harden --push attaches one with --attach-hint")
	case hint == nil:
		return nil, fmt.Errorf("%d hints are attached, and none is the one that the attestation names, %s", len(e.hints), e.predicate.Hint)
	}
	h, err := netpolicy.ParseHint(hint)
	if err != nil {
		return nil, err
	}
	if h.Image.Hardened != e.image.Digest.String() {
		return nil, fmt.Errorf("the hint is of %s", h.Image.Hardened)
	}
	return hint, nil
}
