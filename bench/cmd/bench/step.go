package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lathe-build/lathe/bench"
	"github.com/lathe-build/lathe/harden"
)

// stepCommand makes this program run one step and end: step NAME DIR SCRATCH
// WORD. The word is the shape to generate, else the level.
const stepCommand = "step"

// loadCommand makes this program ask a server for files: load PID PORT.
const loadCommand = "load"

// The steps that are processes of this program.
const (
	stepGenerate = "generate"
	stepDrops    = "drops"
	stepFloor    = "floor"
	stepTree     = "tree"
	stepPlan     = "plan"
	stepRewrite  = "rewrite"
	stepNaive    = "naive"
	stepHint     = "hint" // its word is the number of connections
)

// dropsFile is what a level drops, for the naive pipeline.
func dropsFile(dir string, level harden.Level) string {
	return filepath.Join(dir, "drops-"+string(level)+".txt")
}

// shapeOf is the shape with a name: standard, entries-N, huge-N.
func shapeOf(name string) (bench.Shape, error) {
	kind, number, _ := strings.Cut(name, "-")
	n, err := strconv.ParseInt(number, 10, 40)
	switch {
	case name == "standard":
		return bench.Standard(), nil
	case kind == "entries" && err == nil:
		return bench.Entries(int(n)), nil
	case kind == "huge" && err == nil:
		return bench.Huge(n << 20), nil
	}
	return bench.Shape{}, fmt.Errorf("no shape is called %q", name)
}

func runStep(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return errors.New("a step needs its name, two directories and a word")
	}
	name, dir, scratch, level := args[0], args[1], args[2], harden.Level(args[3])
	if name == stepGenerate {
		shape, err := shapeOf(args[3])
		if err != nil {
			return err
		}
		_, err = bench.Generate(ctx, dir, shape)
		return err
	}
	if name == stepHint {
		n, err := strconv.Atoi(args[3])
		if err != nil {
			return fmt.Errorf("a number of connections: %w", err)
		}
		_, err = bench.Hint(n)
		return err
	}
	if ok, err := evidenceStep(ctx, name, dir, args[3]); ok {
		return err
	}
	in, err := bench.OpenInput(ctx, dir)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // read only
	switch name {
	case stepFloor:
		return bench.Floor(in.Image)
	case stepNaive:
		drops, err := bench.ReadDrops(dropsFile(dir, level))
		if err != nil {
			return err
		}
		return bench.Naive(in.Image, drops, filepath.Join(scratch, "naive"))
	}
	return layerStep(ctx, name, dir, scratch, level, in)
}

// layerStep runs the steps that build on each other.
func layerStep(ctx context.Context, name, dir, scratch string, level harden.Level, in *bench.Input) error {
	t, err := bench.Tree(ctx, in, scratch)
	if err != nil {
		return err
	}
	defer t.Close() //nolint:errcheck // unlinked temporary files
	if name == stepTree {
		return nil
	}
	pl, err := bench.Plan(ctx, in, t, level)
	switch {
	case err != nil || name == stepPlan:
		return err
	case name == stepDrops:
		return bench.WriteDrops(dropsFile(dir, level), t, pl)
	case name == stepRewrite:
		_, err := bench.Rewrite(ctx, t, pl)
		return err
	}
	return fmt.Errorf("no step is called %q", name)
}

// scratchDir makes a directory for one run and gives a function to remove it.
func scratchDir(base string) (string, func(), error) {
	dir, err := os.MkdirTemp(base, "run-")
	if err != nil {
		return "", nil, fmt.Errorf("making a scratch directory: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil // a later run may fill the disk, which it will say
}
