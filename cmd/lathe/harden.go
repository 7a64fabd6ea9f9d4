package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
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

// hardenOptions are the flags of harden, and of the commands that plan.
type hardenOptions struct {
	image           string
	profiles        []string
	manifests       []string
	container       string
	platforms       []string
	policy          string
	level           string
	keep, drop      []string
	rebase          bool
	allowIncomplete bool
	keepAttached    bool
	trust           []string
	allowStaleRPMDB bool

	output      string
	push        string
	to          []string
	force       bool
	dryRun      bool
	verify      bool
	repair      bool
	run         runFlags
	compression string
	key         string
	passwordFD  int
	unsigned    bool
	tlogUpload  bool
	rekorURL    string
	noReferrers bool
	attachHint  bool

	selector      string
	namespace     string
	policyName    string
	allowMetadata bool
	strict        bool
	partial       bool
	hint          hintFlags
}

const hardenHelp = `Harden an image: drop what the profile never saw used and nothing that stays
needs, write the result with its plan, report and network-policy hint, sign it.

  lathe harden IMAGE --profile profile.json -o out --key cosign.key
  lathe harden IMAGE --profile a.json --profile b.json --push registry.example.com/web:hardened --key cosign.key
  lathe harden IMAGE --profile profile.json --manifest deploy.yaml -o out
  lathe harden IMAGE --profile profile.json --dry-run
  lathe harden IMAGE --profile profile.json --verify --repair -o out -- ./smoke-test.sh

-o writes a directory: image/ (an OCI layout with signature and attestation),
plan.json, report.md, report.json, hint.json and networkpolicy.yaml. It appears
when everything in it is written and checked, or not at all. --push writes the
image first, then signature and attestation, and moves the tag last.

Levels: binaries drops unused programs and scripts. packages (the default) also
drops libraries and packages that nothing used, package-manager state and
documentation. files also drops every file that was neither used nor is needed by
one that was.

--verify runs the result with the tests after -- before anything is written, the
way lathe record runs an image, and fails when a test fails, the container dies,
or something asks in vain for a dropped path. --repair keeps exactly these paths
and tries again, never a program that was only looked for, nor one of a class
that the policy denies.`

func newHarden(env *environment, g *global) *cobra.Command {
	o := hardenOptions{passwordFD: -1}
	cmd := &cobra.Command{
		Use: "harden IMAGE --profile FILE... [-o DIR] [--push REF] [--to REF]", Short: "Harden an image to its profile",
		Long: hardenHelp,
		RunE: func(cmd *cobra.Command, a []string) error {
			line, err := o.split(a, cmd.ArgsLenAtDash())
			if err != nil {
				return err
			}
			job, err := o.job()
			if err != nil {
				return err
			}
			if job.run, err = o.runPlan(line, cmd.Flags().Changed("scenarios")); err != nil {
				return err
			}
			return runHarden(cmd.Context(), env, g, o, job)
		},
	}
	addPlanFlags(cmd, g, &o)
	addRunFlags(cmd, &o.run)
	f := cmd.Flags()
	f.BoolVar(&o.verify, "verify", false, "run the result under the recorder with the tests after --, and write nothing when it fails")
	f.BoolVar(&o.repair, "repair", false, "with --verify: keep what the run missed, and harden again")
	f.StringVarP(&o.output, "output", "o", "", "write image, plan, report and hint to this new `directory`")
	f.StringVar(&o.push, "push", "", "push the image to this registry `reference`; the tag moves last")
	f.StringArrayVar(&o.to, "to", nil, "also write the image to this `place`: oci:DIR, docker-archive:FILE, docker-daemon:NAME; repeatable")
	f.BoolVar(&o.force, "force", false, "replace an existing output")
	f.BoolVar(&o.dryRun, "dry-run", false, "plan and report, write nothing")
	f.StringVar(&o.compression, "compression", "keep", "`format` of rewritten layers: keep, gzip or zstd")
	f.StringVar(&o.key, "key", "", "sign with this private key `file`, as cosign generate-key-pair makes it")
	addPasswordFlag(cmd, &o.passwordFD)
	f.BoolVar(&o.unsigned, "unsigned", false, "push without a signature")
	f.BoolVar(&o.tlogUpload, "tlog-upload", false, "upload signatures to a transparency log (they are public)")
	f.StringVar(&o.rekorURL, "rekor-url", sign.PublicLog, "the transparency log's `URL`")
	f.BoolVar(&o.noReferrers, "no-referrers", false, "push without the plan as a referrer")
	f.BoolVar(&o.attachHint, "attach-hint", false, "push the hint as a referrer, too: it names internal peers")
	f.StringVar(&o.selector, "selector", "", "`labels` of the workload's pods for the network policy, such as app=web")
	f.StringVar(&o.namespace, "namespace", "", "`namespace` of the network policy")
	f.StringVar(&o.policyName, "policy-name", "", "`name` of the network policy")
	f.BoolVar(&o.allowMetadata, "allow-metadata", false, "let the network policy allow a cloud's metadata service that was used")
	f.BoolVar(&o.strict, "strict", false, "leave connections that no executable is known for out of the network policy")
	f.BoolVar(&o.partial, "partial", false, "make a network policy although the profile is of one of the pod's containers")
	o.hint.add(cmd)
	return cmd
}

// addPlanFlags adds what decides a plan.
func addPlanFlags(cmd *cobra.Command, g *global, o *hardenOptions) {
	f := cmd.Flags()
	f.StringArrayVarP(&o.profiles, "profile", "p", nil, "runtime profile `file`; repeatable, the union counts")
	f.StringArrayVar(&o.manifests, "manifest", nil, "Kubernetes manifest `file` of the workload: what its command, probes and hooks need stays; repeatable")
	f.StringVar(&o.container, "container", "", "`name` of the container in the manifests (default: by the image's name)")
	f.StringSliceVar(&o.platforms, "platform", nil, "`platforms` of an index to harden (default: those that a profile covers)")
	f.StringVar(&o.policy, "policy", "", "policy `file` with rules, answers and a level; flags win over it and add to it")
	f.StringVar(&o.level, "level", "", "`level`: how much to drop: binaries, packages or files (default: packages)")
	f.StringArrayVar(&o.keep, "keep", nil, "keep this `path` or glob and what it needs; repeatable")
	f.StringArrayVar(&o.drop, "drop", nil, "drop this `path` or glob; repeatable")
	f.BoolVar(&o.rebase, "rebase", false, "use a profile that was recorded on another image")
	f.BoolVar(&o.allowIncomplete, "allow-incomplete", false, "let sources that are not complete count for what they observe")
	f.StringArrayVar(&o.trust, "trust", nil, "trust a `source` (its id, recorder or format) to have seen all of something, such as kubescape=exec,open; repeatable")
	f.BoolVar(&o.keepAttached, "keep-attached", false, "keep what people ran by hand in the container")
	f.BoolVar(&o.allowStaleRPMDB, "allow-stale-rpmdb", false, "leave an rpm database that lists packages that are gone")
	addLimitFlags(cmd, &g.limits)
}

// hardenJob is a command line that was checked.
type hardenJob struct {
	source      image.Ref
	push        *image.Ref
	to          []image.Ref
	policy      harden.Policy
	selector    map[string]string
	template    *netpolicy.Template // of the manifests
	hint        netpolicy.Options   // as far as flags say
	compression layers.Compression
	output      string  // directory of plan, report and hint; "" writes none
	withImage   bool    // the directory holds the image, too
	tagged      v1.Hash // what the tag of push named when the run began
	run         *runPlan
}

// job checks the flags before any work: what is wrong here is a usage error.
func (o *hardenOptions) job() (*hardenJob, error) {
	j := &hardenJob{output: o.output, withImage: o.output != ""}
	var err error
	if len(o.profiles) == 0 {
		return nil, usage("no profile: say what the image runs with --profile FILE")
	}
	if j.source, err = image.ParseRef(o.image); err != nil {
		return nil, asUsage(err)
	}
	if j.policy, err = o.readPolicy(); err != nil {
		return nil, err
	}
	switch o.compression {
	case "keep":
	case "gzip", "zstd":
		j.compression = layers.Compression(o.compression)
	default:
		return nil, usage("--compression is keep, gzip or zstd, not %q", o.compression)
	}
	if o.container != "" && len(o.manifests) == 0 {
		return nil, usage("--container chooses a container of a --manifest, and there is none")
	}
	if o.selector != "" {
		if j.selector, err = netpolicy.ParseSelector(o.selector); err != nil {
			return nil, usage("--selector: %w", err)
		}
	}
	if j.hint, err = o.hint.check(); err != nil {
		return nil, err
	}
	if o.dryRun {
		return j, nil
	}
	if err := o.destinations(j); err != nil {
		return nil, err
	}
	return j, nil
}

// destinations checks where the result goes and with what it is signed.
func (o *hardenOptions) destinations(j *hardenJob) error {
	for _, name := range o.to {
		ref, err := image.ParseRef(name)
		if err != nil {
			return asUsage(err)
		}
		if ref.Kind == image.Registry {
			return usage("--to %s is a registry reference: use --push", name)
		}
		j.to = append(j.to, ref)
	}
	if o.push != "" {
		ref, err := image.ParseRef(o.push)
		if err != nil {
			return asUsage(err)
		}
		if ref.Kind != image.Registry || ref.Digest.Hex != "" {
			return usage("--push %s is not a registry reference with a tag: use --to or -o", o.push)
		}
		j.push = &ref
		if j.output == "" {
			j.output = "./" + filepath.Base(ref.Name) + ".lathe"
		}
	}
	switch {
	case j.output == "" && len(j.to) == 0:
		return usage("nowhere to write: use -o DIR, --push REF, --to REF or --dry-run")
	case j.push != nil && o.key == "" && !o.unsigned:
		return usage("--push needs --key FILE to sign with, or --unsigned")
	case o.key != "" && !j.withImage && j.push == nil && !signable(j.to):
		return usage("--key has nothing to sign: docker archives and daemons carry no signature")
	case o.tlogUpload && o.key == "":
		return usage("--tlog-upload needs --key")
	case o.key != "" && o.unsigned:
		return usage("--key and --unsigned contradict each other")
	}
	if o.key != "" {
		if err := sign.CheckKeyFile(o.key); err != nil {
			return asUsage(err)
		}
	}
	return o.keepInputs(j)
}

func signable(to []image.Ref) bool {
	for _, r := range to {
		if r.Kind == image.OCI {
			return true
		}
	}
	return false
}

// keepInputs refuses to write over what is read.
func (o *hardenOptions) keepInputs(j *hardenJob) error {
	outputs := []string{j.output}
	for _, r := range j.to {
		outputs = append(outputs, r.Path)
	}
	for _, in := range slices.Concat([]string{j.source.Path, o.key, o.policy}, o.profiles, o.manifests, []string{o.hint.peers}, o.hint.inventories) {
		for _, out := range outputs {
			if in == "" || in == "-" || out == "" {
				continue
			}
			inside, err := isInside(in, out)
			if err != nil {
				return asUsage(err)
			}
			if inside {
				return usage("%s would be written over what is read from %s", out, in)
			}
		}
	}
	return keepApart(outputs)
}

// keepApart refuses outputs of which one would lie in or over another.
func keepApart(outputs []string) error {
	for i, a := range outputs {
		for j, b := range outputs {
			if i == j || a == "" || b == "" {
				continue
			}
			inside, err := isInside(a, b)
			if err != nil {
				return asUsage(err)
			}
			if inside {
				return usage("%s and %s cannot both be written: one lies in the other", b, a)
			}
		}
	}
	return nil
}

// isInside reports whether a path is another one or below it, links resolved.
func isInside(name, dir string) (bool, error) {
	name, err := realPath(name)
	if err != nil {
		return false, err
	}
	dir, err = realPath(dir)
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/"), err
}

// realPath is a path without links, as far as it is there.
func realPath(name string) (string, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", name, err)
	}
	resolved, err := filepath.EvalSymlinks(abs)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(abs) != abs {
		dir, err := realPath(filepath.Dir(abs))
		return filepath.Join(dir, filepath.Base(abs)), err
	}
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w", name, err)
	}
	return resolved, nil
}

func runHarden(ctx context.Context, env *environment, g *global, o hardenOptions, j *hardenJob) error {
	out := &outputs{}
	if !o.dryRun {
		var err error
		if out, err = stageOutputs(o, j); err != nil {
			return err
		}
		defer out.abort()
	}
	var signer *sign.Signer
	if o.key != "" && !o.dryRun {
		var err error
		if signer, err = loadSigner(env, o.key, o.passwordFD); err != nil {
			return err
		}
	}
	if j.push != nil && !o.dryRun {
		var err error
		if j.tagged, err = tagNow(ctx, g, j); err != nil {
			return err
		}
	}
	r, err := planProved(ctx, env, g, o, j)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.describe(env, o, j); err != nil {
		return err
	}
	if o.dryRun {
		if err := r.makeReport(o, j); err != nil {
			return err
		}
		return r.print(env, g)
	}
	if err := r.sign(ctx, g, o, j, signer); err != nil {
		return err
	}
	if err := r.deliver(ctx, g, o, j, out); err != nil {
		return err
	}
	return r.print(env, g)
}
