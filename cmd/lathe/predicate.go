package main

import (
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/lathe-build/lathe/harden"
	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/sign"
)

// makePredicate says what is attested about the result.
func (r *hardening) makePredicate(j *hardenJob) error {
	hint := hashOf(r.hintJSON)
	p := sign.Predicate{
		Tool: sign.Tool{Name: "lathe", Version: version()}, Source: r.source.Digest, Plan: r.planHash, Hint: &hint,
		Level: string(j.policy.Level), Verified: []string{"blobs", "diff-ids", "plan", "starts"},
	}
	for _, q := range r.profiles {
		d, err := digestOf(q)
		if err != nil {
			return err
		}
		p.Profiles = append(p.Profiles, d)
		if vouched(q) {
			p.Vouched = append(p.Vouched, d)
		}
	}
	for flag, on := range map[string]bool{
		"allow-incomplete": j.policy.AllowIncomplete, "allow-stale-rpmdb": j.policy.AllowStaleRPMDB, "rebase": j.policy.Rebase,
	} {
		if on {
			p.Overrides = append(p.Overrides, flag)
		}
	}
	for _, t := range j.policy.Trust {
		p.Overrides = append(p.Overrides, "trust "+t.String())
	}
	if f := j.policy.File; f != nil {
		p.Policy = &v1.Hash{Algorithm: "sha256", Hex: f.SHA256}
	}
	for _, t := range r.targets {
		p.Platforms = append(p.Platforms, t.attest())
	}
	if r.proof != nil {
		p.Verified = append(p.Verified, "run")
		p.Run = &sign.Run{Scenarios: r.proof.Scenarios}
		for _, rule := range r.repaired {
			p.Run.Repaired = append(p.Run.Repaired, rule.Path)
		}
	}
	var err error
	if r.predicate, err = p.Marshal(); err != nil {
		return fmt.Errorf("writing the predicate: %w", err)
	}
	return nil
}

func vouched(p *profile.Profile) bool {
	for _, s := range p.Sources {
		if s.Vouched {
			return true
		}
	}
	return false
}

func (t *target) attest() sign.Platform {
	out := sign.Platform{Platform: t.name, Source: t.source.Descriptor.Digest, Image: t.digest, Rebased: t.plan.Rebased}
	kept := map[string]bool{}
	for _, tool := range t.plan.Tools {
		kept[tool.Class] = kept[tool.Class] || tool.Kept
	}
	for class, stays := range kept {
		if !stays {
			out.DroppedClasses = append(out.DroppedClasses, class)
		}
	}
	for _, p := range t.plan.Packages {
		out.Before.Packages++
		if p.Kept {
			out.After.Packages++
		} else {
			out.DroppedPackages = append(out.DroppedPackages, p.Name)
		}
	}
	for _, r := range t.plan.Records.All() {
		t.count(&r, &out)
	}
	return out
}

func (t *target) count(rec *harden.Record, out *sign.Platform) {
	if rec.Type != layers.Regular.String() && rec.Type != layers.HardLink.String() || rec.Class == "" {
		return
	}
	executable := int64(0)
	if rec.Class == "program" || rec.Class == "script" || rec.Class == "applet" {
		executable = 1
	}
	out.Before.Bytes += rec.Size
	out.Before.Files++
	out.Before.Executables += executable
	if rec.Action == harden.ActDrop {
		return
	}
	out.After.Files++
	out.After.Executables += executable
	if rec.Action == harden.ActRewrite {
		out.After.Bytes += rec.NewSize
	} else {
		out.After.Bytes += rec.Size
	}
}
