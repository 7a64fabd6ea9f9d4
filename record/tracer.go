package record

import (
	"context"
	"debug/elf"
	"errors"
	"io"
	"strings"

	"github.com/lathe-build/lathe/layers"
	"github.com/lathe-build/lathe/profile"
	"github.com/lathe-build/lathe/record/trace"
)

// CanTrace says in one line what keeps this machine from recording, or nil.
func CanTrace(ctx context.Context) error { return trace.Supported(ctx) }

// EBPF starts the recorder of package trace.
func EBPF(ctx context.Context, o TraceOptions) (Tracer, error) {
	opts := trace.Options{
		Target: trace.Target{PID: o.PID, Cgroup: o.Cgroup, Running: o.Running},
		Probes: o.Probes, Argv: o.Argv, Name: o.Name, Image: o.Image, Subject: o.Subject, Run: o.Run, Version: o.Version,
	}
	if o.Tree != nil {
		opts.Resolve, opts.Loader = resolver(o.Tree), loader(o.Tree)
	}
	r, err := trace.Start(ctx, opts)
	if err != nil {
		return nil, err
	}
	return ebpfTracer{r}, nil
}

// ebpfTracer is a trace.Recorder with the progress that this package knows.
type ebpfTracer struct{ *trace.Recorder }

// Progress is how far the recording is.
func (t ebpfTracer) Progress() Progress {
	p := t.Recorder.Progress()
	return Progress{Executables: p.Executables, Files: p.Files, Lost: p.Lost, LastNew: p.LastNew}
}

// resolver finds paths in the image as a container would.
func resolver(tree *layers.Tree) profile.Resolver {
	return func(name string) (string, []string, bool) {
		target, links, err := tree.Resolve(name)
		if err != nil {
			return "", nil, false
		}
		for i := range links {
			links[i] = "/" + links[i]
		}
		if target == "." {
			return "/", links, true
		}
		return "/" + target, links, true
	}
}

// interpreterLimit is the longest name of an ELF interpreter that is read.
const interpreterLimit = 4096

// loader reads the ELF interpreter of a program of the image, "" without one.
func loader(tree *layers.Tree) func(string) string {
	return func(name string) string {
		f, err := tree.FS().Open(strings.TrimPrefix(name, "/"))
		if err != nil {
			return ""
		}
		defer f.Close() //nolint:errcheck // read only
		at, ok := f.(io.ReaderAt)
		if !ok {
			return ""
		}
		program, err := elf.NewFile(at)
		if err != nil {
			return ""
		}
		for _, p := range program.Progs {
			if p.Type != elf.PT_INTERP || p.Filesz > interpreterLimit {
				continue
			}
			raw, err := io.ReadAll(p.Open())
			if err != nil && !errors.Is(err, io.EOF) {
				return ""
			}
			return strings.TrimRight(string(raw), "\x00")
		}
		return ""
	}
}
