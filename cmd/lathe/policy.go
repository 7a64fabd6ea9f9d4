package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/lathe-build/lathe/harden"
)

// readPolicy is what a policy file says, and the flags: they win where there can
// be only one word, and add to lists.
func (o *hardenOptions) readPolicy() (harden.Policy, error) {
	pol := harden.Policy{Level: harden.Packages}
	if o.policy != "" {
		p, err := openPolicy(o.policy)
		if err != nil {
			return pol, err
		}
		if pol = *p; pol.Level == "" {
			pol.Level = harden.Packages
		}
	}
	if o.level != "" {
		level, err := harden.ParseLevel(o.level)
		if err != nil {
			return pol, asUsage(err)
		}
		pol.Level = level
	}
	pol.Keep, pol.Drop = o.keep, o.drop
	for _, text := range o.trust {
		t, err := harden.ParseTrust(text)
		if err != nil {
			return pol, usage("--trust: %w", err)
		}
		pol.Trust = append(pol.Trust, t)
	}
	for _, b := range []struct {
		to   *bool
		flag bool
	}{
		{&pol.Rebase, o.rebase},
		{&pol.AllowIncomplete, o.allowIncomplete},
		{&pol.AllowStaleRPMDB, o.allowStaleRPMDB},
		{&pol.KeepAttached, o.keepAttached},
	} {
		*b.to = *b.to || b.flag
	}
	if err := pol.Validate(); err != nil {
		return pol, asUsage(err)
	}
	return pol, nil
}

func openPolicy(name string) (*harden.Policy, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening the policy: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	p, err := harden.ReadPolicy(f, filepath.Base(name))
	if err != nil {
		return nil, fmt.Errorf("reading the policy: %w", err)
	}
	return p, nil
}
