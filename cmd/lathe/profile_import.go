package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/foreign"
	"github.com/lathe-build/lathe/profile/formats"
)

type importOptions struct {
	from     string
	output   string
	image    string
	platform string
	force    bool
	noLimit  bool
	foreign  foreign.Options
}

func newProfileImport(env *environment, g *global) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use: "import FILE... -o FILE", Short: "Make a profile from the evidence of another recorder",
		Long: importHelp(),
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error { return runImport(cmd.Context(), env, g, o, names) },
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "`format` of the files (default: known by their beginning)")
	f.StringVarP(&o.output, "output", "o", "", "write to this `file` (default: standard output)")
	f.StringVar(&o.image, "image", "", "the `IMAGE` that ran, so that the profile is about it")
	f.StringVar(&o.platform, "platform", "", "which `platform` of an index ran, such as linux/amd64")
	f.BoolVar(&o.foreign.Complete, "complete", false, "vouch that the files miss nothing from start to end")
	f.BoolVar(&o.foreign.Rebase, "rebase", false, "take evidence that was recorded on another image than --image")
	f.BoolVar(&o.force, "force", false, "replace an existing file")
	f.StringVar(&o.foreign.Name, "name", "", "`name` of the profile")
	f.StringVar(&o.foreign.Run, "run", "", "`name` of the run")
	f.StringVar(&o.foreign.Container, "container", "", "`name` of the container, or 12 digits of its id, where there are several")
	f.StringVar(&o.foreign.Pod, "pod", "", "`name` of the container's pod")
	f.StringVar(&o.foreign.Namespace, "namespace", "", "`namespace` of the container's pod")
	f.StringVar(&o.foreign.Root, "root", "", "`prefix` of paths when the trace was made from outside the container")
	f.StringVar(&o.foreign.Dir, "dir", "", "working `directory` at the start (default: the image's, or /)")
	f.StringVar(&o.foreign.Entrypoint, "entrypoint", "", "`path` of the program that starts the container: what ran before is left out")
	f.StringVar(&o.foreign.ServingAfter, "serving-after", "", "system `call` or program after which the workload serves")
	f.StringVar(&o.foreign.Arch, "arch", "amd64", "`architecture` of the traced programs")
	f.BoolVar(&o.noLimit, "no-limit", false, "read more than 5,000,000 records")
	return cmd
}

func importHelp() string {
	var b strings.Builder
	b.WriteString(`Make a profile from what another system recorded. Files may be plain, gzip or
zstd; "-" is standard input. Their format is known by their beginning:

`)
	for _, f := range formats.All() {
		fmt.Fprintf(&b, "  %-18s %s\n", f.Name, f.About)
	}
	b.WriteString(`
All files of one format are one recording, such as those of strace -ff or of
several gadgets. Damaged records are left out and counted in the profile. Where
a stream holds several containers, choose one.

  strace -f -y -yy -s 4096 -ttt -o trace.log chroot ROOTFS /entrypoint ARGS...
  lathe profile import --complete --image oci:web --entrypoint /entrypoint trace.log -o profile.json
  tetra getevents -o json | lathe profile import --container web - -o profile.json
  kubectl get applicationprofiles -n shop -o yaml | lathe profile import --container web - -o profile.json

Most recorders cannot tell whether they lost something. --complete says that you
know the files to be whole, from the first program to the last; the profile
records that a person vouches for it. docs/recipes has command lines and
policies that record the most.`)
	return b.String()
}

func runImport(ctx context.Context, env *environment, g *global, o importOptions, names []string) error {
	opts := o.foreign
	opts.Importer = "lathe " + version()
	if o.noLimit {
		opts.MaxRecords = -1
	}
	if o.image != "" {
		about, config, err := identify(ctx, g, o.image, o.platform)
		if err != nil {
			return err
		}
		opts.Image, opts.Path = about, searchPath(config)
		if opts.Dir == "" {
			opts.Dir = config.WorkingDir
		}
	}
	inputs, closeAll, err := openInputs(env, names)
	defer closeAll()
	if err != nil {
		return err
	}
	p, _, err := formats.Import(ctx, o.from, inputs, opts)
	if errors.Is(err, formats.ErrUnknown) {
		return asUsage(err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(names, ", "), err)
	}
	noteSources(env, p)
	var buf bytes.Buffer
	if err := p.Write(&buf); err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	return writeResult(env, o.output, buf.Bytes(), true, o.force)
}

// openInputs opens files of evidence; "-" is standard input.
func openInputs(env *environment, names []string) ([]*foreign.Input, func(), error) {
	var inputs []*foreign.Input
	var files []*os.File
	closeAll := func() {
		for _, in := range inputs {
			in.Close()
		}
		for _, f := range files {
			f.Close() //nolint:errcheck,gosec // read only
		}
	}
	stdin := false
	for _, name := range names {
		base, r := "stdin", env.stdin
		if name == "-" {
			if stdin {
				return nil, closeAll, usage("standard input is given twice")
			}
			stdin = true
		} else {
			f, err := os.Open(name)
			if err != nil {
				return nil, closeAll, fmt.Errorf("opening the log: %w", err)
			}
			files = append(files, f)
			base, r = filepath.Base(name), f
		}
		in, err := foreign.Open(base, r)
		if err != nil {
			return nil, closeAll, err
		}
		inputs = append(inputs, in)
	}
	return inputs, closeAll, nil
}

// noteSources says what an import made of its files that its user should know.
func noteSources(env *environment, p *profile.Profile) {
	for _, s := range p.Sources {
		if s.Input.Skipped > 0 {
			env.note("%s: %d of %d records are damaged and left out%s", s.Input.Format, s.Input.Skipped, s.Input.Records, firstDamage(s))
		}
	}
	recorded := slices.ContainsFunc(p.Sources, func(s profile.Source) bool { return s.Input.Format != "manifest" })
	switch {
	case p.Complete():
	case !recorded:
		env.note("the profile holds what is declared, which is no recording: harden needs one beside it")
	default:
		env.note("the profile has no complete source: harden refuses it without --allow-incomplete; --complete vouches for the log")
	}
}

// firstDamage is a damaged record that a source's notes name.
func firstDamage(s profile.Source) string {
	for _, note := range s.Notes {
		if what, ok := strings.CutPrefix(note, "skipped \""); ok {
			return ", such as \"" + what
		}
	}
	return ""
}

// searchPath is an image's PATH.
func searchPath(config v1.Config) string {
	path := ""
	for _, variable := range config.Env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			path = value
		}
	}
	return path
}

// identify reads which image a log is about, and what it is set to run.
func identify(ctx context.Context, g *global, name, platform string) (profile.Image, v1.Config, error) {
	ref, err := image.ParseRef(name)
	if err != nil {
		return profile.Image{}, v1.Config{}, asUsage(err)
	}
	src, err := image.Read(ctx, ref, g.imageOptions())
	if err != nil {
		return profile.Image{}, v1.Config{}, err
	}
	defer src.Close() //nolint:errcheck // read only
	list, err := choose(src, []string{platform})
	if err != nil {
		return profile.Image{}, v1.Config{}, err
	}
	if len(list) != 1 {
		return profile.Image{}, v1.Config{}, usage("%s has several platforms: say which one ran with --platform", name)
	}
	id, err := identity(src, list[0])
	if err != nil {
		return profile.Image{}, v1.Config{}, err
	}
	about := profile.Image{Digest: id.ManifestDigest, ConfigDigest: []string{id.ConfigDigest}, DiffIDs: id.DiffIDs, Platform: id.Platform}
	if id.IndexDigest != "" {
		about.IndexDigest = []string{id.IndexDigest}
	}
	if ref.Kind == image.Registry {
		about.Refs = []string{name}
	}
	config, err := list[0].Image.ConfigFile()
	if err != nil {
		return profile.Image{}, v1.Config{}, fmt.Errorf("reading the config of %s: %w", name, err)
	}
	return about, config.Config, nil
}
