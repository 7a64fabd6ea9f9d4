package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/lathe-build/lathe/image"
	"github.com/lathe-build/lathe/internal/plainjson"
	"github.com/lathe-build/lathe/layers"
)

// environment is what a command has of the world.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool // stderr is a terminal: progress may be shown
	colour         bool // stdout is a terminal that takes colours
	quiet          bool
}

// say prints a line for people.
func (e *environment) say(format string, args ...any) {
	fmt.Fprintf(e.stderr, format+"\n", args...) //nolint:errcheck // nobody is left to tell
}

// note prints a line that --quiet leaves out.
func (e *environment) note(format string, args ...any) {
	if !e.quiet {
		e.say(format, args...)
	}
}

// printJSON prints a result as one value that a terminal may show.
func (e *environment) printJSON(v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	if _, err := e.stdout.Write(append(plainjson.Escape(raw), '\n')); err != nil {
		return fmt.Errorf("writing to standard output: %w", err)
	}
	return nil
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// global are the flags that every command has.
type global struct {
	insecure bool
	caFile   string
	timeout  time.Duration
	quiet    bool
	cacheDir string
	cacheMax int64
	format   string
	limits   limitFlags
}

// limitFlags are the limits on what an image may ask for.
type limitFlags struct {
	layers, entries, depth  int
	expanded, ratio, window int64
}

func (l limitFlags) limits() layers.Limits {
	return layers.Limits{
		Layers: l.layers, Entries: l.entries, Depth: l.depth, Expanded: l.expanded, Ratio: l.ratio, Window: l.window,
	}
}

func (g *global) imageOptions() image.Options {
	return image.Options{Insecure: g.insecure, CAFile: g.caFile, Timeout: g.timeout, UserAgent: "lathe/" + version()}
}

// sourceOptions are imageOptions for what is read and not written or verified:
// blobs may come from the cache.
func (g *global) sourceOptions() image.Options {
	o := g.imageOptions()
	o.CacheDir, o.CacheBytes = g.cacheDir, g.cacheMax
	return o
}

const longHelp = `lathe hardens a container image to the profile of what it really runs.

It drops the programs that were never used, and what only they needed, signs the
result, and writes a network policy from the same evidence.

  lathe record oci:web -o profile.json -- ./smoke-test.sh
  lathe harden oci:web --profile profile.json --key cosign.key -o out
  lathe verify out --key cosign.pub --source oci:web
  lathe explain out/plan.json /bin/sh

Images are written as IMAGE: a registry reference, oci:DIR[:TAG],
docker-archive:FILE[:TAG] or docker-daemon:NAME.

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 a rule and the evidence disagree,
4 the profile does not fit or the result would not be safe, 130 and 143 stopped.`

func newRoot(env *environment) *cobra.Command {
	g := &global{}
	root := &cobra.Command{
		Use: "lathe", Short: "Harden container images to what they really run", Long: longHelp,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			env.quiet = g.quiet
			if g.format != "text" && g.format != "json" {
				return usage("--format is text or json, not %q", g.format)
			}
			if g.cacheMax <= 0 {
				return usage("--cache-size is a number of bytes above zero, not %d", g.cacheMax)
			}
			return nil
		},
	}
	f := root.PersistentFlags()
	f.BoolVar(&g.insecure, "insecure", false, "allow plain HTTP and unknown certificates for registries")
	f.StringVar(&g.caFile, "ca-file", "", "trust the certificates in this PEM `file` besides the system's")
	f.DurationVar(&g.timeout, "timeout", image.DefaultTimeout, "longest time without progress of a network request")
	f.StringVar(&g.cacheDir, "cache-dir", "", "keep layers of source images from registries in this `directory`")
	f.Int64Var(&g.cacheMax, "cache-size", image.DefaultCacheBytes, "most `bytes` of the cache; what was not used for the longest time goes first")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "say nothing but results and errors")
	f.StringVar(&g.format, "format", "text", "`form` of results: text or json")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return asUsage(err) })
	root.AddCommand(newHarden(env, g), newExplain(env, g), newVerify(env, g), newRecord(env, g), newProfile(env, g), newNetpol(env, g), newGenerateKeyPair(env, g), newVersion(env, g))
	root.SetHelpCommand(newHelp())
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	root.SetIn(env.stdin)
	return root
}

// newHelp is cobra's help command, for which an unknown topic is wrong use.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command",
		RunE: func(cmd *cobra.Command, topic []string) error {
			about, rest, err := cmd.Root().Find(topic)
			if err != nil || len(rest) > 0 {
				return usage("no help about %q; see lathe --help", strings.Join(topic, " "))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// addLimitFlags adds the limits on what an image may ask for.
func addLimitFlags(cmd *cobra.Command, l *limitFlags) {
	d := layers.DefaultLimits()
	f := cmd.Flags()
	f.IntVar(&l.layers, "limit-layers", d.Layers, "most layers of an image")
	f.IntVar(&l.entries, "limit-entries", d.Entries, "most entries of all layers")
	f.IntVar(&l.depth, "limit-depth", d.Depth, "most components of a path")
	f.Int64Var(&l.expanded, "limit-expanded", d.Expanded, "most bytes of all layers, expanded")
	f.Int64Var(&l.ratio, "limit-ratio", d.Ratio, "most expanded bytes a compressed byte, for layers over 1 GiB")
	f.Int64Var(&l.window, "limit-window", d.Window, "most bytes of a zstd window")
}

// execute runs a command line and gives its exit code.
func execute(ctx context.Context, env *environment, args []string) int {
	root := newRoot(env) //nolint:contextcheck // commands get their context when they run
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && strings.HasPrefix(err.Error(), "unknown command") {
		err = asUsage(err)
	}
	if err != nil {
		complain(ctx, env, err)
	}
	return exitCode(ctx, err)
}

// args turns a wrong number of arguments into a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return usage("%w; see lathe %s --help", err, strings.TrimPrefix(cmd.CommandPath(), "lathe "))
		}
		return nil
	}
}

// version is the module's version from the build, or what is known of the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	return "devel"
}
