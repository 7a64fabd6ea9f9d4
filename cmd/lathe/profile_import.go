package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/profile/strace"
)

type importOptions struct {
	from     string
	output   string
	image    string
	platform string
	complete bool
	force    bool
	strace   strace.Options
}

func newProfileImport(env *environment, g *global) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use: "import LOG... -o FILE", Short: "Make a profile from the log of a recorder",
		Long: `Make a profile from logs of strace: one file of strace -f, or the files of
strace -ff. Options -y or -yy, -ttt and -s 4096 make it better:

  strace -f -y -yy -s 4096 -ttt -o trace.log chroot ROOTFS /entrypoint ARGS...
  lathe profile import --complete --image oci:web --entrypoint /entrypoint trace.log -o profile.json

strace cannot tell whether it lost something. --complete says that you know the
log to be whole, from the first program to the last; the profile records that a
person vouches for it.`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error { return runImport(cmd.Context(), env, g, o, names) },
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "strace", "`format` of the logs: strace")
	f.StringVarP(&o.output, "output", "o", "", "write to this `file` (default: standard output)")
	f.StringVar(&o.image, "image", "", "the `IMAGE` that ran, so that the profile is about it")
	f.StringVar(&o.platform, "platform", "", "which platform of an index ran, such as linux/amd64")
	f.BoolVar(&o.complete, "complete", false, "vouch that the log misses nothing from start to end")
	f.BoolVar(&o.force, "force", false, "replace an existing file")
	f.StringVar(&o.strace.Name, "name", "", "`name` of the profile")
	f.StringVar(&o.strace.Run, "run", "", "`name` of the run")
	f.StringVar(&o.strace.Root, "root", "", "`prefix` of paths when the trace was made from outside the container")
	f.StringVar(&o.strace.Dir, "dir", "", "working `directory` at the start (default: the image's, or /)")
	f.StringVar(&o.strace.Entrypoint, "entrypoint", "", "`path` of the program that starts the container: what ran before is left out")
	f.StringVar(&o.strace.ServingAfter, "serving-after", "", "system `call` or program after which the workload serves")
	f.StringVar(&o.strace.Arch, "arch", "amd64", "`architecture` of the traced programs")
	return cmd
}

func runImport(ctx context.Context, env *environment, g *global, o importOptions, names []string) error {
	if o.from != "strace" {
		return usage("unknown format %q: strace is the format that can be imported", o.from)
	}
	opts := o.strace
	opts.Complete, opts.Importer = o.complete, "lathe "+version()
	if o.image != "" {
		about, dir, err := identify(ctx, g, o.image, o.platform)
		if err != nil {
			return err
		}
		opts.Image = about
		if opts.Dir == "" {
			opts.Dir = dir
		}
	}
	var inputs []strace.Input
	for _, name := range names {
		if name == "-" {
			inputs = append(inputs, strace.Input{Name: "stdin", R: env.stdin})
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("opening the log: %w", err)
		}
		defer f.Close() //nolint:errcheck // read only
		inputs = append(inputs, strace.Input{Name: filepath.Base(name), R: f})
	}
	p, err := strace.Import(ctx, inputs, opts)
	if err != nil {
		return fmt.Errorf("%s: %w", strings.Join(names, ", "), err)
	}
	if !p.Complete() {
		env.note("the profile has no complete source: harden refuses it without --allow-incomplete; --complete vouches for the log")
	}
	var buf bytes.Buffer
	if err := p.Write(&buf); err != nil {
		return fmt.Errorf("writing the profile: %w", err)
	}
	return writeResult(env, o.output, buf.Bytes(), true, o.force)
}

// identify reads which image a log is about, and the directory that it starts in.
func identify(ctx context.Context, g *global, name, platform string) (profile.Image, string, error) {
	ref, err := image.ParseRef(name)
	if err != nil {
		return profile.Image{}, "", usageError{err}
	}
	src, err := image.Read(ctx, ref, g.imageOptions())
	if err != nil {
		return profile.Image{}, "", err
	}
	defer src.Close() //nolint:errcheck // read only
	list, err := choose(src, []string{platform})
	if err != nil {
		return profile.Image{}, "", err
	}
	if len(list) != 1 {
		return profile.Image{}, "", usage("%s has several platforms: say which one ran with --platform", name)
	}
	id, err := identity(src, list[0])
	if err != nil {
		return profile.Image{}, "", err
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
		return profile.Image{}, "", fmt.Errorf("reading the config of %s: %w", name, err)
	}
	return about, config.Config.WorkingDir, nil
}
