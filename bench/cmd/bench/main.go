// Command bench measures lathe against a floor and against a naive pipeline on
// a generated image, and writes the results as Markdown.
//
//	go run ./bench/cmd/bench -md docs/benchmarks.md
//
// Every step runs as a process of its own, all steps in turn, several times;
// the medians count. It needs the go command, to build lathe, and about 4 GB
// of disk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/lathe-build/lathe/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		defer os.Exit(1) //nolint:forbidigo // this is main
	}
}

// options are the flags.
type options struct {
	markdown  string
	dir       string
	lathe     string
	runs      int
	rounds    int
	growth    bool
	only      bool
	importing bool
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == stepCommand {
		return runStep(ctx, args[1:])
	}
	if len(args) > 0 && args[0] == loadCommand {
		return runLoad(args[1:])
	}
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.markdown, "md", "", "write the results to this `file` instead of stdout")
	f.StringVar(&o.dir, "dir", filepath.Join(".build", "bench"), "`directory` for the binary, generated images and results")
	f.StringVar(&o.lathe, "lathe", "", "measure this `binary` instead of building one")
	f.IntVar(&o.runs, "n", 5, "`runs` of each step")
	f.IntVar(&o.rounds, "rounds", 10, "`rounds` of each load that is recorded")
	f.BoolVar(&o.only, "recording", false, "measure only what recording costs, and replace that section of the results")
	f.BoolVar(&o.importing, "evidence", false, "measure only what importing evidence costs, and replace that section of the results")
	f.BoolVar(&o.growth, "growth", true, "also measure how cost grows with entries and file sizes")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return fmt.Errorf("reading the flags: %w", err)
	}
	return o.measure(ctx)
}

func (o *options) measure(ctx context.Context) error {
	if o.runs < 1 || o.rounds < 1 {
		return errors.New("-n and -rounds must be at least 1")
	}
	var err error
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return fmt.Errorf("finding the directory: %w", err)
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return fmt.Errorf("making the directory: %w", err)
	}
	if o.only {
		return o.recordingOnly(ctx)
	}
	if o.importing {
		return o.evidenceOnly(ctx)
	}
	if o.lathe == "" {
		o.lathe = filepath.Join(o.dir, "lathe")
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", o.lathe, "./cmd/lathe")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("building lathe (run this in the repository's root): %w", err)
		}
	}
	r := &results{Machine: thisMachine(), Runs: o.runs}
	if r.Facts, r.Steps, err = o.steps(ctx); err != nil {
		return err
	}
	if r.Hint, err = o.hint(ctx); err != nil {
		return err
	}
	if r.Recording, err = o.recordings(ctx); err != nil {
		return err
	}
	if r.Evidence, err = o.evidence(ctx); err != nil {
		return err
	}
	if o.growth {
		if r.Growth, err = o.measureGrowth(ctx); err != nil {
			return err
		}
	}
	if o.markdown == "" {
		return r.write(os.Stdout)
	}
	out, err := os.Create(o.markdown)
	if err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return errors.Join(r.write(out), out.Close())
}

// recordingOnly measures what recording costs and nothing else.
func (o *options) recordingOnly(ctx context.Context) error {
	r, err := o.recordings(ctx)
	if err != nil {
		return err
	}
	if o.markdown != "" {
		return r.replace(o.markdown)
	}
	var b strings.Builder
	r.write(&b)
	_, err = io.WriteString(os.Stdout, b.String())
	return err
}

// image generates the image of a shape, unless an earlier run did.
func (o *options) image(ctx context.Context, name string) (string, *bench.Facts, error) {
	dir := filepath.Join(o.dir, name)
	want, err := shapeOf(name)
	if err != nil {
		return "", nil, err
	}
	if facts, err := bench.ReadFacts(dir); err == nil && facts.Shape == want {
		return dir, facts, nil
	}
	fmt.Fprintf(os.Stderr, "generating %s\n", name)
	if err := os.RemoveAll(dir); err != nil {
		return "", nil, fmt.Errorf("generating an image: %w", err)
	}
	if _, err := o.child(ctx, stepGenerate, dir, "", name); err != nil {
		return "", nil, err
	}
	facts, err := bench.ReadFacts(dir)
	return dir, facts, err
}
